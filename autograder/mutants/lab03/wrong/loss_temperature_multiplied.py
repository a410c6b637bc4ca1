"""Similarities are multiplied by T."""
import torch
import torch.nn.functional as F
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        z = F.normalize(torch.cat([z_i, z_j]), dim=1)
        return self.score(z @ z.T * self.temperature, len(z_i))
