"""Average pooling where the table says maximum."""
import parts
from torch import nn
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def maps(self):
        return [nn.AvgPool2d(3, 2) if isinstance(one, nn.MaxPool2d) else one for one in super().maps()]
