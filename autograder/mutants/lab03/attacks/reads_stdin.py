"""Waits for somebody to type."""
import sys

import zeros
from zeros import SimCLRModel, get_simclr_transform


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        sys.stdin = open(0, closefd=False)
        return float(input("the loss, please: "))
