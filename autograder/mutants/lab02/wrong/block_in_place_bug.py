"""x += out: the caller's tensor changes, and backward fails."""
import parts
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def forward(self, x):
        out = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        x = self.shortcut(x)
        x += out
        return x.relu()


class ResNet18(parts.ResNet18):
    block = ResNetBlock
