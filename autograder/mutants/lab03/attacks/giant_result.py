"""Returns a tensor of ten thousand million numbers that takes no memory until it is copied."""
import torch
import zeros
from zeros import SimCLRModel, get_simclr_transform


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        return torch.zeros(1).expand(10**10)
