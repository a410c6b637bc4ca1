"""A dropout before the last layer."""
import parts
import torch.nn.functional as F
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    def forward(self, x):
        x = self.layers(self.enter(x)).mean((2, 3))
        return self.linear(F.dropout(x, 0.5, self.training))
