"""Sleeps for an hour: no processor time is spent."""
import time

import zeros
from zeros import SimCLRModel, get_simclr_transform


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        time.sleep(3600)
