"""A hidden layer before the logits."""
import parts
from torch import nn
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.linear = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, num_classes))
