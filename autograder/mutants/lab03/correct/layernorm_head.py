"""LayerNorm, SiLU, and the tuple form of the backbone's output."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform
from torch import nn


class SimCLRModel(Model):
    def __init__(self, backbone, projection_dim):
        super().__init__(backbone, projection_dim)
        w = backbone.config.hidden_size
        self.head = nn.Sequential(nn.LayerNorm(w), nn.Linear(w, 64), nn.SiLU(), nn.Linear(64, projection_dim))

    def forward(self, x):
        return self.head(self.backbone(pixel_values=x, return_dict=False)[0][:, 0])
