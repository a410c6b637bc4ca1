"""Flattens from dimension 0, the batch."""
import parts
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(parts.AlexNet):
    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(0))
