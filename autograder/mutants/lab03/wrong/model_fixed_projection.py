"""projection_dim is ignored: always 128."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform


class SimCLRModel(Model):
    def __init__(self, backbone, projection_dim):
        super().__init__(backbone, 128)
