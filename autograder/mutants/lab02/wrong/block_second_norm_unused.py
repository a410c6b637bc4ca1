"""The second BatchNorm is made and never used."""
import parts
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def forward(self, x):
        return (self.conv2(self.bn1(self.conv1(x)).relu()) + self.shortcut(x)).relu()


class ResNet18(parts.ResNet18):
    block = ResNetBlock
