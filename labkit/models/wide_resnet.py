"""The HPC guide's Wide ResNet: 17,175,444 parameters for 100 classes, 4.824 GFLOP per 32 px image.

Wider and shallower than Zagoruyko & Komodakis 2016 (arXiv 1605.07146): six blocks of widths 160, 320, 640,
ReLU before the sum and none after it, max-pooling between the pairs. The guide's last CIFAR-100 accuracy on
one GPU: .642. It averages the top left 7x7 of the last 8x8 map; here the whole map is averaged
(`pool="published"` gives theirs, with the same weights, parameters and FLOP).
"""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from labkit.models.heads import last_layer, need_size
from labkit.run_folder import unknown_name

WIDTHS = (16, 160, 320, 640)
POOLS = ("global", "published")


def conv_bn_relu(in_width: int, width: int) -> nn.Sequential:
    """Return 3x3 convolution, BatchNorm, ReLU: (B, in_width, S, S) -> (B, width, S, S)."""
    return nn.Sequential(
        nn.Conv2d(in_width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )


class WideBlock(nn.Module):
    """Two conv-bn-relu with dropout between them, plus the input (1x1 convolved where the width changes)."""

    def __init__(self, in_width: int, width: int, *, dropout: float):
        super().__init__()
        self.scale = nn.Conv2d(in_width, width, 1) if in_width != width else nn.Identity()
        self.layer1 = conv_bn_relu(in_width, width)
        self.dropout = nn.Dropout(dropout)
        self.layer2 = conv_bn_relu(width, width)

    def forward(self, x: Tensor) -> Tensor:
        out = self.layer2(self.dropout(self.layer1(x)))
        return out + self.scale(x)  # not in place: ReLU keeps its output for backward


class WideResNet(nn.Module):
    """images (B, C, S, S) -> (B, num_classes), or (B, 640) features where num_classes is None; any S >= 8.

    pool: "global", or "published" (the first 7x7 of the last map, for 32 px).
    """

    num_features = WIDTHS[-1]

    def __init__(
        self,
        *,
        num_classes: int | None = 10,
        image_size: int = 32,
        channels: int = 3,
        dropout: float = 0.01,
        pool: str = "global",
    ):
        super().__init__()
        if pool not in POOLS:
            raise unknown_name("pool", pool, POOLS)
        need_size("wide_resnet", image_size, smallest=8)
        self.num_classes, self.channels, self.pool = num_classes, channels, pool
        self.input_block = conv_bn_relu(channels, WIDTHS[0])
        self.stages = nn.ModuleList(
            nn.Sequential(WideBlock(i, w, dropout=dropout), WideBlock(w, w, dropout=dropout))
            for i, w in pairwise(WIDTHS)
        )
        self.head = last_layer(self.num_features, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stages[0](self.input_block(images))
        for pair in self.stages[1:]:
            x = pair(F.max_pool2d(x, 2))
        if self.pool == "published":
            x = x[:, :, :7, :7]
        return self.head(x.mean((2, 3)))  # (B, 640) -> (B, num_classes)
