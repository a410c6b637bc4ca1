"""The convolutions run under no_grad."""
import parts
import torch
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def forward(self, x):
        with torch.no_grad():
            maps = self.features(x)
        return self.classifier(self.avgpool(maps).flatten(1))
