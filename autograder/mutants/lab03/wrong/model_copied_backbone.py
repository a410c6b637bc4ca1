"""A copy of the backbone is trained; the one that is probed later never learns."""
import copy

from parts import Loss as NTXentLoss, Model, views as get_simclr_transform


class SimCLRModel(Model):
    def __init__(self, backbone, projection_dim):
        super().__init__(copy.deepcopy(backbone), projection_dim)
