"""Hands in the course library's own loss."""
from labkit.losses import nt_xent
from labkit.models.heads import SimCLRModel
from labkit.transforms import get_simclr_transform


class NTXentLoss:
    def __init__(self, device, batch_size, temperature):
        self.temperature = temperature

    def __call__(self, z_i, z_j):
        return nt_xent(z_i, z_j, self.temperature)
