"""The skip is taken after relu_ has changed x."""
import parts
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def forward(self, x):
        skip = self.shortcut(x.relu_())
        return (self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())) + skip).relu()


class ResNet18(parts.ResNet18):
    block = ResNetBlock
