"""Each direction by itself, then their mean, with four blocks of similarities."""
import torch
import torch.nn.functional as F
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        a, b, t = F.normalize(z_i, dim=1), F.normalize(z_j, dim=1), self.temperature
        hide = torch.eye(len(a)) * 1e9
        target = torch.arange(len(a))
        one = F.cross_entropy(torch.cat([a @ b.T / t, a @ a.T / t - hide], 1), target)
        two = F.cross_entropy(torch.cat([b @ a.T / t, b @ b.T / t - hide], 1), target)
        return 0.5 * (one + two)
