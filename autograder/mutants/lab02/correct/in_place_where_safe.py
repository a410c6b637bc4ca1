"""In place where it is safe: += on the residual, ReLU on the sum."""
import parts
import torch.nn.functional as F
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def forward(self, x):
        out = self.bn2(self.conv2(F.relu_(self.bn1(self.conv1(x)))))
        out += self.shortcut(x)
        return F.relu_(out)


class ResNet18(parts.ResNet18):
    block = ResNetBlock
