"""The shortcut's convolution has no BatchNorm."""
import parts
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def project(self, *shape):
        return super().project(*shape)[:1]


class ResNet18(parts.ResNet18):
    block = ResNetBlock
