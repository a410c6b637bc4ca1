"""Algorithm 1 to the letter: views interleaved, partners next to each other."""
import torch
import torch.nn.functional as F
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        z = F.normalize(torch.stack([z_i, z_j], 1).flatten(0, 1), dim=1)
        logits = (z @ z.T / self.temperature).masked_fill(torch.eye(len(z), dtype=torch.bool), float("-inf"))
        return F.cross_entropy(logits, torch.arange(len(z)) ^ 1)
