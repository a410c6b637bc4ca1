"""A bias at each convolution: 4,800 parameters too many."""
import parts
from torch import nn
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        for one in self.modules():
            if isinstance(one, nn.Conv2d):
                one.bias = nn.Parameter(0.1 * one.weight[:, 0, 0, 0].detach().clone())
