"""Dropout with p = 0.2."""
import parts
from torch import nn
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def head(self, num_classes):
        return [nn.Dropout(0.2) if isinstance(one, nn.Dropout) else one for one in super().head(num_classes)]
