"""BatchNorm between the layers and no activation."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform
from torch import nn


class SimCLRModel(Model):
    def __init__(self, backbone, projection_dim):
        super().__init__(backbone, projection_dim)
        w = backbone.config.hidden_size
        self.head = nn.Sequential(nn.Linear(w, w), nn.BatchNorm1d(w), nn.Linear(w, projection_dim))
