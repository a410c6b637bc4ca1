"""The width 384 of one backbone is written into the head."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform
from torch import nn


class SimCLRModel(Model):
    def __init__(self, backbone, projection_dim):
        super().__init__(backbone, projection_dim)
        self.head = nn.Sequential(nn.Linear(384, 384), nn.ReLU(), nn.Linear(384, projection_dim))
