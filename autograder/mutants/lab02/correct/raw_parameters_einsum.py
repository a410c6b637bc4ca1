"""Raw weights (in, out) and (out, in) with einsum and @."""
import parts
import torch
from torch import nn
from parts import ResNetBlock, epoch_throughput, throughput


class Product(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.w = nn.Parameter(torch.randn(inputs, outputs) / inputs**0.5)
        self.b = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return x @ self.w + self.b


class Einsum(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.w = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)
        self.b = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return torch.einsum("bi,oi->bo", x, self.w) + self.b


class AlexNet(parts.AlexNet):
    def head(self, num_classes):
        head = super().head(num_classes)
        head[4], head[6] = Product(4096, 4096), Einsum(4096, num_classes)
        return head


class ResNet18(parts.ResNet18):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.linear = Einsum(512, num_classes)
