"""ResNet18 (CIFAR stem: 11,173,962 parameters, 1.111 GFLOP per 32 px image), ResNet34 and resnet_tiny.

After He et al. 2015 (arXiv 1512.03385) with the stem for 32 px images: 3x3, stride 1, no max-pooling. CIFAR-10 test
accuracy in the study, last checkpoint: .849 and .836; with augmentation, ResNet34: .917. `norm=None` leaves BatchNorm
out (the performance lab's C7); each convolution then has a bias, as BatchNorm's shift is gone. resnet_tiny is the
SimCLR lab's encoder for two CPU cores: 308,896 parameters without a classifier.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from labkit.models.heads import last_layer, need_size
from labkit.run_folder import LabError, unknown_name


class Stem(NamedTuple):
    """First convolution, whether 3x3 max-pooling follows, and the smallest image worth it (px)."""

    kernel: int
    stride: int
    pool: bool
    smallest: int


STEMS = {"cifar": Stem(3, 1, False, 8), "imagenet": Stem(7, 2, True, 32), "tiny": Stem(5, 2, False, 8)}


def normalization(norm: str | None, width: int) -> nn.Module:
    """Return BatchNorm over `width` maps, or nothing for norm=None."""
    return nn.Identity() if norm is None else nn.BatchNorm2d(width)


def convolution(in_width: int, width: int, kernel: int, *, stride: int, norm: str | None) -> nn.Conv2d:
    """Return a convolution that keeps the map's size at stride 1; a bias only where no BatchNorm follows."""
    return nn.Conv2d(in_width, width, kernel, stride, kernel // 2, bias=norm is None)


class BasicBlock(nn.Module):
    """relu(x + two 3x3 convolutions of x): (B, in_width, S, S) -> (B, width, S/stride, S/stride)."""

    def __init__(self, in_width: int, width: int, *, stride: int, norm: str | None):
        super().__init__()
        self.conv1 = convolution(in_width, width, 3, stride=stride, norm=norm)
        self.norm1 = normalization(norm, width)
        self.conv2 = convolution(width, width, 3, stride=1, norm=norm)
        self.norm2 = normalization(norm, width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_width != width:
            self.shortcut = nn.Sequential(
                convolution(in_width, width, 1, stride=stride, norm=norm), normalization(norm, width)
            )

    def forward(self, x: Tensor) -> Tensor:
        # In place is safe: neither a convolution nor BatchNorm keeps its output for backward.
        out = F.relu_(self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu_(out)


class ResNet(nn.Module):
    """Stem, stages that halve the map and double the width, global mean; any image size.

    images (B, C, S, S) -> (B, num_classes), or (B, num_features) where num_classes is None.
    """

    def __init__(
        self,
        name: str,
        blocks: tuple[int, ...],
        widths: tuple[int, ...],
        /,
        *,
        num_classes: int | None = 10,
        image_size: int = 32,
        channels: int = 3,
        norm: str | None = "batch",
        stem: str = "cifar",
    ):
        """blocks, widths: of each stage. norm: "batch" or None; stem: "cifar", "imagenet" or "tiny"."""
        super().__init__()
        if stem not in STEMS:
            raise unknown_name("stem", stem, STEMS)
        if norm not in (None, "batch"):
            raise LabError(f"{name} has norm='batch' or norm=None, not {norm!r}.")
        first = STEMS[stem]
        need_size(name, image_size, smallest=first.smallest)
        self.num_classes, self.num_features, self.channels = num_classes, widths[-1], channels
        self.conv1 = convolution(channels, widths[0], first.kernel, stride=first.stride, norm=norm)
        self.norm1 = normalization(norm, widths[0])
        self.pool = nn.MaxPool2d(3, 2, 1) if first.pool else nn.Identity()
        stages, width = [], widths[0]
        for number, (count, out) in enumerate(zip(blocks, widths, strict=True)):
            stage = [BasicBlock(width, out, stride=1 if number == 0 else 2, norm=norm)]
            stage += [BasicBlock(out, out, stride=1, norm=norm) for _ in range(count - 1)]
            stages.append(nn.Sequential(*stage))
            width = out
        self.stages = nn.Sequential(*stages)
        self.head = last_layer(self.num_features, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.pool(F.relu_(self.norm1(self.conv1(images))))
        x = self.stages(x)
        return self.head(x.mean((2, 3)))  # (B, num_features) -> (B, num_classes)


# The sizes: blocks per stage and their widths.
resnet18 = partial(ResNet, "resnet18", (2, 2, 2, 2), (64, 128, 256, 512))
resnet34 = partial(ResNet, "resnet34", (3, 4, 6, 3), (64, 128, 256, 512))
resnet_tiny = partial(ResNet, "resnet_tiny", (1, 1, 1), (32, 64, 128), stem="tiny")  # 128 features

SHIPPED = Path(__file__).parent / "weights" / "resnet_tiny_glyphs.safetensors"


def shipped(*, image_size: int = 32, channels: int = 3) -> nn.Module:
    """Return the pretrained resnet_tiny that comes with the lab: float images (B, 3, S, S) -> (B, num_features).

    It was trained to classify the 200 glyphs of `shapes` (scripts/make_backbone.py; fp16): images from the renderer
    that draws the labs' other class sets, too, but no class is shared. Raises LabError for other than three
    channels, and for a damaged file.
    """
    if channels != 3:
        raise LabError(f"The shipped resnet_tiny was trained on images of 3 channels, not {channels}.")
    try:
        from safetensors.torch import load_file

        weights = load_file(SHIPPED)
    except ImportError as error:
        raise LabError("The shipped backbone is a safetensors file: pip install safetensors.") from error
    except Exception as error:  # the library's own errors differ between versions
        raise LabError(f"{SHIPPED} is missing or damaged ({type(error).__name__}): restore it from git.") from error
    model = resnet_tiny(num_classes=None, image_size=image_size)
    model.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in weights.items()}
    )
    return model
