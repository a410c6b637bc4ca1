"""Wrong parts, sent along with every file of attacks/: without its trick, each of them earns nothing."""

import torch
from torch import nn


class NTXentLoss(nn.Module):
    def __init__(self, device, batch_size, temperature):
        super().__init__()

    def forward(self, z_i, z_j):
        return 0 * (z_i.sum() + z_j.sum())


class SimCLRModel(nn.Module):
    def __init__(self, backbone, projection_dim):
        super().__init__()
        self.dim = projection_dim

    def forward(self, x):
        return torch.zeros(len(x), self.dim)


def get_simclr_transform(size):
    return lambda image: torch.zeros(3, size, size)
