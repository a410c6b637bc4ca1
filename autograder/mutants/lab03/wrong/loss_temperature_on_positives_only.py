"""Only the numerator is divided by T."""
import torch
import torch.nn.functional as F
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        z = F.normalize(torch.cat([z_i, z_j]), dim=1)
        s = (z @ z.T).masked_fill(torch.eye(len(z), dtype=torch.bool), float("-inf"))
        positive = (z * z.roll(len(z_i), 0)).sum(1) / self.temperature
        return (s.logsumexp(1) - positive).mean()
