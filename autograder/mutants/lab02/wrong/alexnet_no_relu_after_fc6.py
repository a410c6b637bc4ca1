"""ReLU missing after the first linear layer."""
import parts
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def head(self, num_classes):
        head = super().head(num_classes)
        return [*head[:2], *head[3:]]
