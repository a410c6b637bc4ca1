"""Sleeps and computes at every call, within the limit."""
import time

import torch
from parts import Loss, Model, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        time.sleep(0.05)
        torch.randn(200, 200).inverse()
        return super().forward(z_i, z_j)


class SimCLRModel(Model):
    def __init__(self, backbone, projection_dim):
        time.sleep(0.2)
        super().__init__(backbone, projection_dim)
