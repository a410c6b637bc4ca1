"""Minus the squared distance of unit rows: twice the similarity, so half the temperature."""
import torch
import torch.nn.functional as F
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        z = F.normalize(torch.cat([z_i, z_j]), dim=1)
        return self.score(-(z[:, None] - z[None]).square().sum(2) / self.temperature, len(z_i))
