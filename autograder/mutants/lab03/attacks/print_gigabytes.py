"""Prints without end."""
import zeros
from zeros import SimCLRModel, get_simclr_transform


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        while True:
            print("x" * 10_000_000)
