"""Dropout stays on in eval mode: F.dropout without ."""
import parts
import torch.nn.functional as F
from torch import nn
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class Always(nn.Module):
    def forward(self, x):
        return F.dropout(x, 0.5)


class AlexNet(parts.AlexNet):
    def head(self, num_classes):
        return [Always() if isinstance(one, nn.Dropout) else one for one in super().head(num_classes)]
