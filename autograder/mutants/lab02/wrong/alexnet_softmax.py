"""Softmax inside the model."""
import parts
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def forward(self, x):
        return super().forward(x).softmax(1)
