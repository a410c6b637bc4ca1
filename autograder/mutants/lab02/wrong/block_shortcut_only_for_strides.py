"""A shortcut only where the stride is not 1: other widths crash."""
import parts
from torch import nn
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if stride == 1:
            self.shortcut = nn.Identity()


class ResNet18(parts.ResNet18):
    block = ResNetBlock
