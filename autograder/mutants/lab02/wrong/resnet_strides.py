"""Stage 1 strides as well."""
import parts
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    strides = (2, 2, 2, 2)
