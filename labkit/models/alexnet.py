"""AlexNet of the model-zoo homework: 57,044,810 parameters for 10 classes, 57,823,240 for 200.

After Krizhevsky 2014 (One weird trick, arXiv 1404.5997), as in torchvision; the homework reports about 77 %
on CIFAR-10 (validation, 70 px). The plain stem strides by 4, which needs 63 px: at 32 px the third pooling
meets a 1x1 map and crashes. Here the stem's stride and padding follow the image, and nothing else changes:

    image      stem                         maps after stem, pool 1, 2, 3
    >= 63 px   11x11, stride 4, padding 2   70 px: 16 7 3 1   224 px: 55 27 13 6
    29-62 px   11x11, stride 2, padding 5   32 px: 16 7 3 1
    15-28 px   11x11, stride 1, padding 5   28 px: 28 13 6 2

Every row has the same weights. At 32 and 70 px the last map is 1x1, which the 6x6 average pooling only repeats.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.models.heads import last_layer, need_size

STEMS = ((63, 4, 2), (29, 2, 5), (15, 1, 5))  # smallest image (px), stride, padding


class PoolTo6(nn.Module):
    """nn.AdaptiveAvgPool2d(6) for maps of one known side, as two products: (B, C, S, S) -> (B, C, 6, 6).

    The layer's own backward pass on CUDA is not deterministic, and refused in deterministic mode.
    """

    def __init__(self, side: int):
        super().__init__()
        self.weights: Tensor
        self.register_buffer("weights", F.adaptive_avg_pool1d(torch.eye(side), 6), persistent=False)  # (side, 6)

    def forward(self, maps: Tensor) -> Tensor:
        return self.weights.T @ maps @ self.weights


class AlexNet(nn.Module):
    """Five convolutions, three linear layers; images (B, C, S, S) -> (B, num_classes), or (B, 4096).

    Takes images of at least 15 px; 70 px is the published size.
    """

    num_features = 4096

    def __init__(self, *, num_classes: int | None = 10, image_size: int = 32, channels: int = 3, dropout: float = 0.5):
        super().__init__()
        need_size("alexnet", image_size, smallest=STEMS[-1][0])
        self.num_classes, self.image_size, self.channels = num_classes, image_size, channels
        stride, padding = next((s, p) for smallest, s, p in STEMS if image_size >= smallest)
        side = (image_size + 2 * padding - 11) // stride + 1
        for _ in range(3):  # poolings, down to the last map
            side = (side - 3) // 2 + 1
        self.maps = nn.Sequential(
            nn.Conv2d(channels, 64, 11, stride, padding),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            PoolTo6(side),
            nn.Flatten(),
        )
        self.hidden = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
        )
        self.head = last_layer(self.num_features, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.hidden(self.maps(images)))
