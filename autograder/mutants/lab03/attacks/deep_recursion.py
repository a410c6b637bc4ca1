"""Overflows the C stack."""
import sys

import zeros
from zeros import SimCLRModel, get_simclr_transform

sys.setrecursionlimit(10**9)


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        def down(n):
            return repr(down(n + 1)) + sorted([n], key=lambda _: down(n + 1))

        return down(0)
