"""The first layer of the head is frozen."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform


class SimCLRModel(Model):
    def __init__(self, backbone, projection_dim):
        super().__init__(backbone, projection_dim)
        self.head[0].requires_grad_(False)
