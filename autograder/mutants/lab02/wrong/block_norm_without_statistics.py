"""BatchNorm uses the batch's statistics in eval mode too."""
import parts
from torch import nn
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.bn1 = nn.BatchNorm2d(out_channels, track_running_stats=False)


class ResNet18(parts.ResNet18):
    block = ResNetBlock
