"""One linear layer where AlexNet has three."""
import parts
from torch import nn
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def head(self, num_classes):
        return [nn.Dropout(0.5), nn.Linear(256 * 6 * 6, num_classes)]
