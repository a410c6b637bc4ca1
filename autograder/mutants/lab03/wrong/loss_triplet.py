"""A triplet loss with the next image as the negative."""
import torch.nn.functional as F
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        return F.triplet_margin_loss(z_i, z_j, z_j.roll(1, 0), margin=self.temperature)
