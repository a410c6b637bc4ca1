"""The official code's head: three layers with BatchNorm after each."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform
from torch import nn


class SimCLRModel(Model):
    def __init__(self, backbone, projection_dim):
        super().__init__(backbone, projection_dim)
        w = backbone.config.hidden_size
        self.head = nn.Sequential(
            nn.Linear(w, w, bias=False), nn.BatchNorm1d(w), nn.ReLU(),
            nn.Linear(w, w, bias=False), nn.BatchNorm1d(w), nn.ReLU(),
            nn.Linear(w, projection_dim, bias=False), nn.BatchNorm1d(projection_dim, affine=False))
