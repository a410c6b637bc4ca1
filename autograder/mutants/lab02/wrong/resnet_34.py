"""The depths of ResNet34."""
import parts
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    depths = (3, 4, 6, 3)
