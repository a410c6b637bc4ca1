"""The per-sample fallback: a torchvision transform, image by image, each with a seed of its own."""

from collections.abc import Callable

import torch
from torch import Tensor

from labkit.transforms.pixels import Augmentation, Plain, Scale, as_size

SEEDS = 2**24  # every whole number below is a float32


class Exact(Augmentation):
    """Runs a per-sample transform (uint8 (C, H, W) -> float (C, h, w) in [0, 1]); slow, on the CPU."""

    def __init__(self, transform: Callable[[Tensor], Tensor], size):
        self.transform, self.size = transform, as_size(size)

    def draw(self, count: int, generator: torch.Generator, *, image=None) -> Tensor:
        """Return (count, 1) seeds below 2**24."""
        return torch.randint(SEEDS, (count, 1), generator=generator).float()

    def prepare(self, images, *, device=None, channels_last: bool = False, mirrored: bool = False) -> Tensor:
        return Plain().prepare(images, device=device, channels_last=channels_last)

    def prepared_bytes(self, shape, itemsize: int, *, mirrored: bool = False) -> int:
        return itemsize * torch.Size(shape).numel()

    def render(self, prepared: Tensor, index: Tensor, drawn: Tensor, scale: Scale) -> Tensor:
        images, seeds = prepared[index].cpu(), drawn[:, 0].long().tolist()
        with torch.random.fork_rng(devices=[]):  # the transform draws from the global generator
            views = [self._one(image, seed) for image, seed in zip(images, seeds, strict=True)]
        order = torch.contiguous_format if prepared.is_contiguous() else torch.channels_last
        return scale.finish(torch.stack(views).to(prepared.device)).contiguous(memory_format=order)

    def _one(self, image: Tensor, seed: int) -> Tensor:
        torch.manual_seed(seed)
        return self.transform(image)
