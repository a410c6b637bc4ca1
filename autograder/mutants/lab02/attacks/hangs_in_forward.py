"""A forward pass that never ends."""
import zeros
from zeros import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(zeros.ResNet18):
    def forward(self, x):
        while True:
            pass
