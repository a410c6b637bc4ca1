"""Two linear layers with nothing between them."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform
from torch import nn


class SimCLRModel(Model):
    def __init__(self, backbone, projection_dim):
        super().__init__(backbone, projection_dim)
        width = backbone.config.hidden_size
        self.head = nn.Sequential(nn.Linear(width, width), nn.Linear(width, projection_dim))
