"""pooler_output, which is another vector in most models."""
from parts import Loss as NTXentLoss, Model, views as get_simclr_transform


class SimCLRModel(Model):
    def forward(self, x):
        return self.head(self.backbone(pixel_values=x).pooler_output)
