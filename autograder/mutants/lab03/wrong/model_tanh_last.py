"""A tanh after the last layer."""
import torch
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform


class SimCLRModel(Model):
    def forward(self, x):
        return super().forward(x).tanh()
