"""The stride is ignored."""
import parts
from parts import AlexNet, epoch_throughput, throughput


class ResNetBlock(parts.ResNetBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        for one in self.modules():
            if hasattr(one, "stride"):
                one.stride = (1, 1)


class ResNet18(parts.ResNet18):
    block = ResNetBlock
