"""ReLU missing after the fourth convolution."""
import parts
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def maps(self):
        maps = super().maps()
        return [*maps[:9], *maps[10:]]
