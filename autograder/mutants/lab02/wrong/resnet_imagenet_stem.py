"""ImageNet's stem: 7x7, stride 2 and max-pooling."""
import parts
from torch import nn
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    def stem(self):
        super().stem()
        self.conv1, self.pool = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.MaxPool2d(3, 2, 1)

    def enter(self, x):
        return self.pool(super().enter(x))
