"""Kaiming initialisation, zero-initialised last BatchNorm, prints and a custom train()."""
import parts
from torch import nn
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        for one in self.modules():
            if isinstance(one, nn.Conv2d):
                nn.init.kaiming_normal_(one.weight, mode="fan_out", nonlinearity="relu")
        self.bn2.weight.data.mul_(0.1)
        print("a block", in_channels, out_channels)

    def train(self, mode=True):
        print("train", mode)
        return super().train(mode)


class ResNet18(parts.ResNet18):
    block = ResNetBlock
