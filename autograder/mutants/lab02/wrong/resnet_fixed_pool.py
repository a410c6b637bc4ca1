"""Pools 4x4 maps and flattens: fits 32 px alone."""
import parts
import torch.nn.functional as F
from parts import AlexNet, ResNetBlock, epoch_throughput, throughput


class ResNet18(parts.ResNet18):
    def forward(self, x):
        x = F.avg_pool2d(self.layers(self.enter(x)), 4)
        return self.linear(x.view(len(x), -1))
