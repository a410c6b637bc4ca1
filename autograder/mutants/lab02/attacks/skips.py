"""pytest.skip inside the block."""
import zeros
from zeros import AlexNet, ResNet18, epoch_throughput, throughput


class ResNetBlock(zeros.ResNetBlock):
    def forward(self, x):
        import pytest

        pytest.skip("not today")
