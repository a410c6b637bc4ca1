"""Wrong parts, sent along with every file of attacks/: without its trick, each of them earns nothing."""

import torch
from torch import nn


class AlexNet(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.num_classes = num_classes

    def forward(self, x):
        return torch.zeros(len(x), self.num_classes)


class ResNetBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.width, self.stride = out_channels, stride

    def forward(self, x):
        return torch.zeros(len(x), self.width, *x[0, 0, :: self.stride, :: self.stride].shape)


ResNet18 = AlexNet


def throughput(step, batch_size, *, warmup, repeats, clock, wait):
    return 0.0


def epoch_throughput(epoch_seconds, num_images, batch_size, drop_last):
    return 0.0
