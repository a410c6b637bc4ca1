"""The last maps are maximised, not averaged."""
import parts
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    def forward(self, x):
        return self.linear(self.layers(self.enter(x)).amax((2, 3)))
