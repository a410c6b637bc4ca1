"""No skip connection."""
import parts
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def forward(self, x):
        self.shortcut(x)
        return self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()


class ResNet18(parts.ResNet18):
    block = ResNetBlock
