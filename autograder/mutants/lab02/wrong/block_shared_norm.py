"""One BatchNorm for both convolutions."""
import parts
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.bn2 = self.bn1


class ResNet18(parts.ResNet18):
    block = ResNetBlock
