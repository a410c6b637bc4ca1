"""The widths of 2012's paper: 96, 256, 384, 384, 256."""
import parts
from torch import nn
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def maps(self):
        maps = super().maps()
        maps[0], maps[3] = nn.Conv2d(3, 96, 11, 4, 2), nn.Conv2d(96, 256, 5, padding=2)
        maps[6], maps[8] = nn.Conv2d(256, 384, 3, padding=1), nn.Conv2d(384, 384, 3, padding=1)
        maps[10] = nn.Conv2d(384, 256, 3, padding=1)
        return maps
