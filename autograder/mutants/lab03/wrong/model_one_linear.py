"""The head is one linear layer."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform
from torch import nn


class SimCLRModel(Model):
    def __init__(self, backbone, projection_dim):
        super().__init__(backbone, projection_dim)
        self.head = nn.Linear(backbone.config.hidden_size, projection_dim)
