"""The second dropout is missing."""
import parts
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def head(self, num_classes):
        head = super().head(num_classes)
        return [*head[:3], *head[4:]]
