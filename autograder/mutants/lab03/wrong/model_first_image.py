"""The tokens of the first image instead of the first token of each image."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform


class SimCLRModel(Model):
    def forward(self, x):
        return self.head(self.backbone(pixel_values=x).last_hidden_state[0])[: len(x)]
