"""BatchNorm without weight and bias."""
import parts
from torch import nn
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.bn2 = nn.BatchNorm2d(out_channels, affine=False)


class ResNet18(parts.ResNet18):
    block = ResNetBlock
