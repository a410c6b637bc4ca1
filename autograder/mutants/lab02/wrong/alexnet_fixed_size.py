"""No adaptive pooling: the linear layer takes 256 numbers, which fits 70 px alone."""
import parts
from torch import nn
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.avgpool = nn.Identity()

    def head(self, num_classes):
        head = super().head(num_classes)
        head[1] = nn.Linear(256, 4096)
        return head
