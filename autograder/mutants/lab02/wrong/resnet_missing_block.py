"""Stage 4 has one block."""
import parts
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    depths = (2, 2, 2, 1)
