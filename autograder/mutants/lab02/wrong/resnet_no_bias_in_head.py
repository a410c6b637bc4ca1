"""The linear layer has no bias."""
import parts
from torch import nn
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.linear = nn.Linear(512, num_classes, bias=False)
