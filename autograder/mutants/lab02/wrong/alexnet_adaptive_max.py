"""Adaptive maximum pooling to 6x6."""
import parts
from torch import nn
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.avgpool = nn.AdaptiveMaxPool2d(6)
