"""Defined first, evaluated last; its convolution runs before, its BatchNorm at the end."""
import parts
from torch import nn
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.project = stride != 1 or in_channels != out_channels
        if self.project:
            self.way = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.way_norm = nn.BatchNorm2d(out_channels)
        self.residual = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False), nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False), nn.BatchNorm2d(out_channels),
        )

    def forward(self, x):
        way = self.way(x) if self.project else x
        out = self.residual(x)
        return (out + (self.way_norm(way) if self.project else way)).relu()


class ResNet18(parts.ResNet18):
    block = ResNetBlock
