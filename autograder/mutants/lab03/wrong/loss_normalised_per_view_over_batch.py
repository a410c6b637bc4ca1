"""Each view is standardised over the batch, as if by BatchNorm, and not normalised."""
import torch
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        z = torch.cat([(z - z.mean(0)) / (z.std(0, correction=0) + 1e-6) for z in (z_i, z_j)])
        return self.score(z @ z.T / self.temperature / z.shape[1], len(z_i))
