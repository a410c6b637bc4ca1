"""Running statistics in train mode too."""
import parts
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def train(self, mode=True):
        return super().train(False)


class ResNet18(parts.ResNet18):
    block = ResNetBlock
