"""LeakyReLU for ReLU."""
import parts
from torch import nn
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def maps(self):
        return [nn.LeakyReLU() if isinstance(one, nn.ReLU) else one for one in super().maps()]
