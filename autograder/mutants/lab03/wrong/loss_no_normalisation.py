"""The projections are not scaled to unit length."""
import torch
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        z = torch.cat([z_i, z_j])
        return self.score(z @ z.T / self.temperature, len(z_i))
