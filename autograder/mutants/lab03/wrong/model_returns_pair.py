"""Returns (h, z)."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform


class SimCLRModel(Model):
    def forward(self, x):
        h = self.backbone(pixel_values=x).last_hidden_state[:, 0]
        return h, self.head(h)
