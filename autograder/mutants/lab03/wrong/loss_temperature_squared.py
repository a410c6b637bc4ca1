"""Both views are divided by T before their product, so T enters twice."""
import torch
import torch.nn.functional as F
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        z = F.normalize(torch.cat([z_i, z_j]), dim=1) / self.temperature
        return self.score(z @ z.T, len(z_i))
