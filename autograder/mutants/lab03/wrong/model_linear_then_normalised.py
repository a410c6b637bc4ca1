"""Two linear layers; only the final normalisation is nonlinear."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform
from torch import nn
from torch.nn.functional import normalize


class SimCLRModel(Model):
    def __init__(self, backbone, projection_dim):
        super().__init__(backbone, projection_dim)
        width = backbone.config.hidden_size
        self.head = nn.Sequential(nn.Linear(width, width), nn.Linear(width, projection_dim))

    def forward(self, x):
        return normalize(super().forward(x), dim=1)
