"""ReLU missing after the first BatchNorm."""
import parts
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    def enter(self, x):
        return self.bn1(self.conv1(x))
