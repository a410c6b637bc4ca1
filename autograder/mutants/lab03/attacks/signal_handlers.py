"""Ignores every signal and hangs."""
import signal

import zeros
from zeros import SimCLRModel, get_simclr_transform

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        while True:
            pass
