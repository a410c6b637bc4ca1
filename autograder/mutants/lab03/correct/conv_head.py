"""The head as 1x1 convolutions."""
from parts import Loss as NTXentLoss, views as get_simclr_transform
from torch import nn


class SimCLRModel(nn.Module):
    def __init__(self, backbone, projection_dim):
        super().__init__()
        self.encoder, w = backbone, backbone.config.hidden_size
        self.g = nn.Sequential(nn.Conv1d(w, w, 1), nn.ReLU(inplace=True), nn.Conv1d(w, projection_dim, 1))

    def forward(self, x):
        h = self.encoder(x).last_hidden_state[:, 0, :]
        return self.g(h.unsqueeze(-1)).squeeze(-1)
