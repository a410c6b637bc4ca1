"""Raw weights in F.conv2d, F.batch_norm and F.linear."""
import parts
import torch
import torch.nn.functional as F
from torch import nn
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.stride = stride
        shapes = [(out_channels, in_channels, 3, 3), (out_channels, out_channels, 3, 3)]
        if stride != 1 or in_channels != out_channels:
            shapes.append((out_channels, in_channels, 1, 1))
        self.weights = nn.ParameterList(nn.init.kaiming_normal_(torch.empty(shape)) for shape in shapes)
        self.norms = nn.ModuleList(nn.BatchNorm2d(out_channels) for _ in shapes)

    def norm(self, x, i):
        n = self.norms[i]
        return F.batch_norm(x, n.running_mean, n.running_var, n.weight, n.bias, self.training)

    def forward(self, x):
        out = F.relu(self.norm(F.conv2d(x, self.weights[0], stride=self.stride, padding=1), 0))
        out = self.norm(F.conv2d(out, self.weights[1], padding=1), 1)
        if len(self.weights) == 3:
            x = self.norm(F.conv2d(x, self.weights[2], stride=self.stride), 2)
        return torch.relu(torch.add(out, x))


class ResNet18(parts.ResNet18):
    block = ResNetBlock
