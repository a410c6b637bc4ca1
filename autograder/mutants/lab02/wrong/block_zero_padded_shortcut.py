"""The shortcut pads with zeros (option A of the paper), not the table's."""
import parts
import torch.nn.functional as F
from torch import nn
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.shortcut = nn.Sequential()
        self.stride, self.more = stride, out_channels - in_channels

    def forward(self, x):
        skip = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))
        return (self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())) + skip).relu()


class ResNet18(parts.ResNet18):
    block = ResNetBlock
