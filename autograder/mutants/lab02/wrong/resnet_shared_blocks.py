"""Both blocks of a stage are the same object."""
import parts
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.layers[1] = self.layers[0]
