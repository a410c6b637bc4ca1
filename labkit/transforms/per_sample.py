"""The augmentations per sample, as torchvision writes them: what students build, and the oracle of ours."""

from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from labkit.run_folder import unknown_name
from labkit.transforms.batched.augmentation import NoAugmentation, Normalize
from labkit.transforms.batched.crop import blur_size

SEEDS = 2**24  # every whole number below is a float32


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

    Takes a PIL image or a uint8 tensor (C, H, W); returns float32 (C, size, size) in [0, 1]. size: side in pixels or
    (height, width). strength: the paper's s, 1 for ImageNet and 0.5 for CIFAR. blur: False (CIFAR), or True or a
    probability (ImageNet: True is 0.5) of a blur with sigma in (0.1, 2) and a kernel of a tenth of the size.
    """
    if interpolation not in (known := [mode.value for mode in InterpolationMode]):
        raise unknown_name("interpolation", interpolation, known)
    height, width = (size, size) if isinstance(size, int) else size
    blur = 0.5 if blur is True else float(blur)
    kernel = blur_size(min(height, width))
    color = v2.ColorJitter(0.8 * strength, 0.8 * strength, 0.8 * strength, min(0.2 * strength, 0.5))
    steps = [
        v2.ToImage(),
        v2.RandomResizedCrop((height, width), scale=area, ratio=aspect, interpolation=InterpolationMode(interpolation)),
        v2.RandomHorizontalFlip(flip),
        v2.RandomApply([color], p=jitter),
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


class PerSample(NoAugmentation):
    """Runs a per-sample transform (uint8 (C, H, W) -> float (C, h, w) in [0, 1]), each image with its own seed.

    Slow, and on the CPU: the fallback that the batched augmentations are compared with.
    """

    def __init__(self, transform: Callable[[Tensor], Tensor]):
        self.transform = transform

    def draw(self, count: int, generator: torch.Generator, *, image: tuple[int, int]) -> Tensor:
        """Return (count, 1) seeds below 2**24."""
        return torch.randint(SEEDS, (count, 1), generator=generator).float()

    def render(self, prepared: Tensor, index: Tensor, params: Tensor, normalize: Normalize) -> Tensor:
        views = []
        with torch.random.fork_rng(devices=[]):  # the transform draws from the global generator
            for image, seed in zip(prepared[index].cpu(), params[:, 0].long().tolist(), strict=True):
                torch.manual_seed(seed)
                views.append(self.transform(image))
        order = torch.contiguous_format if prepared.is_contiguous() else torch.channels_last
        images = torch.stack(views).to(prepared.device)
        images = images.mul(normalize.slope[:, None, None]).add_(normalize.offset[:, None, None])
        return images.contiguous(memory_format=order)
