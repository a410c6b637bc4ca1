"""A hidden layer of 2048, tanh, and z of unit length."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform
from torch import nn
from torch.nn.functional import normalize


class SimCLRModel(Model):
    def __init__(self, backbone, projection_dim):
        super().__init__(backbone, projection_dim)
        w = backbone.config.hidden_size
        self.head = nn.Sequential(nn.Linear(w, 2048), nn.Tanh(), nn.Linear(2048, projection_dim))

    def forward(self, x):
        return normalize(super().forward(x), dim=-1)
