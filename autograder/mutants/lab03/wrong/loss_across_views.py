"""CLIP's loss: negatives come from the other view alone."""
import torch
import torch.nn.functional as F
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        logits = F.normalize(z_i, dim=1) @ F.normalize(z_j, dim=1).T / self.temperature
        rows = torch.arange(len(z_i))
        return (F.cross_entropy(logits, rows) + F.cross_entropy(logits.T, rows)) / 2
