"""Layers in a plain list: an optimizer finds no parameters of the head."""
import parts
from torch import nn
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.steps = list(self.classifier)
        self.classifier = nn.Identity()

    def forward(self, x):
        x = self.avgpool(self.features(x)).flatten(1)
        for step in self.steps:
            x = step(x)
        return x
