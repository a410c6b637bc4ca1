"""The first BatchNorm is missing."""
import parts
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    def enter(self, x):
        return self.conv1(x).relu()
