"""Other names, and layers defined in another order than they run."""
import parts
import torch.nn.functional as F
from torch import nn
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.zweite_norm = nn.BatchNorm2d(out_channels)
        self.erste_norm = nn.BatchNorm2d(out_channels)
        self.zweite = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.weg = None
        if stride != 1 or in_channels != out_channels:
            self.norm_des_wegs = nn.BatchNorm2d(out_channels)
            self.weg = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
        self.erste = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)

    def forward(self, x):
        way = x if self.weg is None else self.norm_des_wegs(self.weg(x))
        return F.relu(way + self.zweite_norm(self.zweite(F.relu(self.erste_norm(self.erste(x))))))


class ResNet18(parts.ResNet18):
    block = ResNetBlock
