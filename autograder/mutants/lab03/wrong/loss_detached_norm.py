"""The length is detached, so the gradient changes the length of z."""
import torch
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        z = torch.cat([z_i, z_j])
        z = z / z.norm(dim=1, keepdim=True).detach()
        return self.score(z @ z.T / self.temperature, len(z_i))
