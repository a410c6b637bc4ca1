"""A mask of one's own, without the factor 1/(1 - p)."""
import parts
import torch
from torch import nn
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class Mask(nn.Module):
    def forward(self, x):
        return x * (torch.rand_like(x) > 0.5) if self.training else x


class AlexNet(parts.AlexNet):
    def head(self, num_classes):
        return [Mask() if isinstance(one, nn.Dropout) else one for one in super().head(num_classes)]
