"""The class token of hidden_states, before the last LayerNorm."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform


class SimCLRModel(Model):
    def forward(self, x):
        return self.head(self.backbone(pixel_values=x, output_hidden_states=True).hidden_states[-1][:, 0])
