"""The augmentations per sample, as torchvision writes them: what students build, and the oracle of ours."""

import torch
from torchvision.transforms import InterpolationMode, v2

from labkit.run_folder import LabError


def get_simclr_transform(
    size,
    *,
    strength=1.0,
    area=(0.08, 1.0),
    aspect=(3 / 4, 4 / 3),
    flip=0.5,
    jitter=0.8,
    gray=0.2,
    blur=False,
    interpolation="bicubic",
) -> v2.Compose:
    """Return the transform that makes one SimCLR view of an image (Chen et al. 2020, appendix A).

    Takes a PIL image or a uint8 tensor (C, H, W); returns float32 (C, size, size) in [0, 1]. size: side in
    pixels or (height, width). strength: the paper's s, 1 for ImageNet and 0.5 for CIFAR. blur: False (CIFAR),
    or True or a probability (ImageNet: True is 0.5) of a blur with sigma in (0.1, 2) and a kernel of a tenth
    of the size.
    """
    height, width = (size, size) if isinstance(size, int) else size
    blur = 0.5 if blur is True else float(blur)
    kernel = max(3, min(height, width) // 10 // 2 * 2 + 1)
    colours = v2.ColorJitter(0.8 * strength, 0.8 * strength, 0.8 * strength, min(0.2 * strength, 0.5))
    steps = [
        v2.ToImage(),
        v2.RandomResizedCrop((height, width), scale=area, ratio=aspect, interpolation=_mode(interpolation)),
        v2.RandomHorizontalFlip(flip),
        v2.RandomApply([colours], p=jitter),
        v2.RandomGrayscale(gray),
        *([v2.RandomApply([v2.GaussianBlur(kernel, (0.1, 2.0))], p=blur)] if blur else []),
        v2.ToDtype(torch.float32, scale=True),
        v2.ToPureTensor(),
    ]
    return v2.Compose(steps)


def get_supervised_transform(size, *, pad=4, flip=True) -> v2.Compose:
    """Return the supervised transform: a crop of the image padded with `pad` zeros, flipped half of the time.

    Takes a PIL image or a uint8 tensor (C, H, W); returns float32 (C, size, size) in [0, 1].
    """
    height, width = (size, size) if isinstance(size, int) else size
    steps = [
        v2.ToImage(),
        v2.RandomCrop((height, width), padding=pad or None),
        *([v2.RandomHorizontalFlip()] if flip else []),
        v2.ToDtype(torch.float32, scale=True),
        v2.ToPureTensor(),
    ]
    return v2.Compose(steps)


def _mode(interpolation: str) -> InterpolationMode:
    try:
        return InterpolationMode(interpolation)
    except ValueError:
        valid = ", ".join(mode.value for mode in InterpolationMode)
        raise LabError(f"Unknown interpolation {interpolation!r}. Valid: {valid}.") from None
