"""A mask of one's own with the factor 2, and clamp for ReLU."""
import parts
import torch
from torch import nn
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class Mask(nn.Module):
    def forward(self, x):
        return 2 * x * (torch.rand_like(x) > 0.5) if self.training else x


class Clamp(nn.Module):
    def forward(self, x):
        return x.clamp(min=0)


class AlexNet(parts.AlexNet):
    def head(self, num_classes):
        mine = {nn.Dropout: Mask, nn.ReLU: Clamp}
        return [mine.get(type(one), lambda one=one: one)() for one in super().head(num_classes)]
