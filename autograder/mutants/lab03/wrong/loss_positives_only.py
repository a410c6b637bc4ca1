"""Positives alone are pulled together; there are no negatives."""
import torch.nn.functional as F
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        return -(F.cosine_similarity(z_i, z_j) / self.temperature).mean()
