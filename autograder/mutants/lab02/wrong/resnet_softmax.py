"""Softmax inside ResNet18."""
import parts
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    def forward(self, x):
        return super().forward(x).softmax(1)
