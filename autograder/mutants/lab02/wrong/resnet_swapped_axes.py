"""Reads the images with rows and columns exchanged."""
import parts
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    def forward(self, x):
        return super().forward(x.transpose(2, 3))
