"""1024 units where the table has 4096."""
import parts
from torch import nn
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def head(self, num_classes):
        head = super().head(num_classes)
        head[1], head[4], head[6] = nn.Linear(9216, 1024), nn.Linear(1024, 1024), nn.Linear(1024, num_classes)
        return head
