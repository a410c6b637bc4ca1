"""squeeze() drops the batch when there is one image."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform


class SimCLRModel(Model):
    def forward(self, x):
        return super().forward(x).squeeze()
