"""Minus the Euclidean distance in place of the cosine similarity."""
import torch
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        z = torch.cat([z_i, z_j])
        far = (z[:, None] - z[None]).square().sum(2).clamp_min(1e-9).sqrt()
        return self.score(-far / self.temperature, len(z_i))
