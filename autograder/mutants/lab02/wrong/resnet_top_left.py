"""Only the top left corner of the last maps is read."""
import parts
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    def forward(self, x):
        return self.linear(self.layers(self.enter(x))[:, :, 0, 0])
