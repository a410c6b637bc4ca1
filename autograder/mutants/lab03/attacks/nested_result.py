"""Returns a list that holds itself, and one a million deep."""
import zeros
from zeros import get_simclr_transform


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        endless = []
        endless.append(endless)
        return endless


class SimCLRModel(zeros.SimCLRModel):
    def forward(self, x):
        deep = []
        for _ in range(10**6):
            deep = [deep]
        return deep
