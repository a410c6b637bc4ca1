"""The linear layers as convolutions, 6x6 and 1x1."""
import parts
from torch import nn
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def head(self, num_classes):
        return [
            nn.Dropout(), nn.Conv2d(256, 4096, 6), nn.ReLU(), nn.Dropout(), nn.Conv2d(4096, 4096, 1), nn.ReLU(),
            nn.Conv2d(4096, num_classes, 1), nn.Flatten(),
        ]

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)))
