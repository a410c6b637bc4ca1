"""The pre-activation order of the later paper: BatchNorm, ReLU, convolution."""
import parts
from torch import nn
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.bn1 = nn.BatchNorm2d(in_channels)

    def forward(self, x):
        out = self.conv1(self.bn1(x).relu())
        return (self.conv2(self.bn2(out).relu()) + self.shortcut(x)).relu()


class ResNet18(parts.ResNet18):
    block = ResNetBlock
