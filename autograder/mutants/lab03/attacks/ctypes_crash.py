"""Reads address 0."""
import ctypes

import zeros
from zeros import SimCLRModel, get_simclr_transform


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        ctypes.string_at(0)
