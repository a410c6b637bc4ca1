"""Only the first view is normalised."""
import torch
import torch.nn.functional as F
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        z = torch.cat([F.normalize(z_i, dim=1), z_j])
        return self.score(z @ z.T / self.temperature, len(z_i))
