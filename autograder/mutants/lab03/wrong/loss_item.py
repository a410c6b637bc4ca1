"""The loss is turned into a new tensor, which cuts the graph."""
import torch
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        return torch.tensor(super().forward(z_i, z_j).item(), requires_grad=True)
