"""The skip carries no gradient."""
import parts
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def forward(self, x):
        out = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (out + self.shortcut(x).detach()).relu()


class ResNet18(parts.ResNet18):
    block = ResNetBlock
