"""The head's layers sit in a plain list, so no optimizer finds them."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform
from torch import nn


class SimCLRModel(Model):
    def __init__(self, backbone, projection_dim):
        super().__init__(backbone, projection_dim)
        del self.head
        width = backbone.config.hidden_size
        self.layers = [nn.Linear(width, width), nn.ReLU(), nn.Linear(width, projection_dim)]

    def forward(self, x):
        h = self.backbone(pixel_values=x).last_hidden_state[:, 0]
        for layer in self.layers:
            h = layer(h)
        return h
