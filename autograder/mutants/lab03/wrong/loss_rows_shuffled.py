"""The second view is shuffled, so that partners are strangers."""
import torch
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        return super().forward(z_i, z_j[torch.randperm(len(z_j))])
