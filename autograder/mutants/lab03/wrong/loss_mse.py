"""Mean squared error between the views."""
from parts import Model as SimCLRModel, views as get_simclr_transform
from torch import nn


class NTXentLoss(nn.MSELoss):
    def __init__(self, device, batch_size, temperature):
        super().__init__()
