"""A 1x1 shortcut also where nothing changes."""
import parts
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.shortcut = self.project(in_channels, out_channels, stride)


class ResNet18(parts.ResNet18):
    block = ResNetBlock
