"""Raises an exception whose str() never ends."""
import zeros
from zeros import SimCLRModel, get_simclr_transform


class Odd(Exception):
    def __str__(self):
        while True:
            pass


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        raise Odd
