"""Weights as raw Parameters, the activation GELU."""
import torch
import torch.nn.functional as F
from parts import Loss as NTXentLoss, views as get_simclr_transform
from torch import nn


class SimCLRModel(nn.Module):
    def __init__(self, backbone, projection_dim):
        super().__init__()
        self.f = backbone
        w = backbone.config.hidden_size
        self.w1 = nn.Parameter(torch.randn(w, 2 * w) / w**0.5)
        self.w2 = nn.Parameter(torch.randn(2 * w, projection_dim) / w**0.5)

    def forward(self, x):
        return F.gelu(self.f(pixel_values=x)[0][:, 0] @ self.w1) @ self.w2
