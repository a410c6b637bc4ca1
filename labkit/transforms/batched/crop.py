"""Crop and resize as matrices: a random resized crop is A_y X A_x^T, flip and blur included."""

import math
from functools import lru_cache

import torch
from torch import Tensor

TRIES = 10  # as many as torchvision makes before it falls back to a central crop


def draw_crops(count: int, image: tuple[int, int], generator, *, area, aspect) -> Tensor:
    """Return (count, 4) float32 top, left, height, width: torchvision's RandomResizedCrop.get_params, batched.

    image: (height, width) in pixels; area: range of the crop's share of the image; aspect: range of width/height. Of
    ten tries the first that fits counts; where none does, the largest central crop in the range of aspects.
    """
    height, width = image
    uniform = torch.rand(count, TRIES, 2, generator=generator)
    target = (area[0] + (area[1] - area[0]) * uniform[..., 0]) * (height * width)
    low, high = math.log(aspect[0]), math.log(aspect[1])
    root = torch.exp((low + (high - low) * uniform[..., 1]) / 2)
    side = target.sqrt()
    wide, tall = (side * root).round(), (side / root).round()  # (count, TRIES)
    fits = (wide >= 1) & (wide <= width) & (tall >= 1) & (tall <= height)
    first = fits.int().argmax(1, keepdim=True)
    tall, wide = tall.gather(1, first)[:, 0], wide.gather(1, first)[:, 0]
    place = torch.rand(count, 2, generator=generator)
    top = (place[:, 0] * (height - tall + 1)).floor()
    left = (place[:, 1] * (width - wide + 1)).floor()
    crops = torch.stack([top, left, tall, wide], 1)
    return torch.where(fits.any(1, keepdim=True), crops, central_crop(image, tuple(aspect)))


@lru_cache(maxsize=16)
def central_crop(image: tuple[int, int], aspect: tuple[float, float]) -> Tensor:
    """Return (4,) top, left, height, width of the largest central crop whose aspect is in range."""
    height, width = image
    if width / height < aspect[0]:
        height = round(width / aspect[0])
    elif width / height > aspect[1]:
        width = round(height * aspect[1])
    return torch.tensor([(image[0] - height) // 2, (image[1] - width) // 2, height, width]).float()


def draw_sigmas(count: int, generator, *, probability: float, sigma=(0.1, 2.0)) -> Tensor:
    """Return (count,) standard deviations of the blur in pixels; 0 where an image stays sharp."""
    uniform = torch.rand(count, 2, generator=generator)
    return torch.where(uniform[:, 0] < probability, sigma[0] + (sigma[1] - sigma[0]) * uniform[:, 1], 0.0)


class Axis:
    """How one axis of a batch is cropped, resized, mirrored and blurred: matrices (B, out, side), in parts.

    start, length: (B,) the crop in pixels; sides: (side of the image, side of the result); mirror: (B,) True
    where the result is reversed; sigma: (B,) of the blur in pixels, or None for none at all. Row i of a
    matrix holds the weights of the pixels that make pixel i: Pillow's triangle or Keys' cubic (a = -1/2), as
    wide as a result pixel where the crop is reduced (antialias), cut at the crop's border, summing to 1.
    """

    def __init__(self, start: Tensor, length, *, sides, mirror=None, cubic=False, sigma=None, kernel=3):
        self.side, self.out = sides
        self.cubic, self.reduces = cubic, self.side > self.out
        # Triangles that only enlarge: holding the center inside the crop cuts them off, and they sum to 1.
        self.simple = not (self.reduces or cubic)
        self.start, self.end = start[:, None], (start + length)[:, None]
        self.step = (length / self.out)[:, None]
        center = self.start + (torch.arange(self.out, device=start.device) + 0.5) * self.step  # (B, out)
        if mirror is not None:
            center = torch.where(mirror[:, None], self.start + self.end - center, center)
        self.center = center.clamp(self.start + 0.5, self.end - 0.5) if self.simple else center
        self.pixel = torch.arange(self.side, device=start.device) + 0.5
        self.kernels = None
        if sigma is not None:  # (B, kernel), sums of 1; where sigma is 0, all weight is on the center
            away = torch.arange(kernel, device=sigma.device) - kernel // 2
            weights = torch.exp(-0.5 * (away / sigma.clamp(min=1e-3)[:, None]) ** 2)
            self.kernels = weights / weights.sum(1, keepdim=True)

    def matrix(self, part: slice) -> Tensor:
        """Return the matrices (B, out, side) of some images."""
        distance = torch.sub(self.pixel, self.center[part, :, None]).abs_()
        if self.reduces:
            distance.div_(self.step[part, None].clamp(min=1))
        if self.cubic:  # p^2 (p - 1) / 2 + q^2 (1 - 2q) of p = max(0, 2 - t), q = max(0, 1 - t)
            p = distance.neg_().add_(2).clamp_(min=0)
            q = (p - 1).clamp_(min=0)
            weights = (p - 1).mul_(p).mul_(p).mul_(0.5).add_((q * -2).add_(1).mul_(q).mul_(q))
        else:
            weights = distance.neg_().add_(1).clamp_(min=0)  # max(0, 1 - t)
        if not self.simple:
            inside = (self.pixel > self.start[part]) & (self.pixel < self.end[part])  # (B, side)
            weights.mul_(inside[:, None].float())
            weights.div_(weights.sum(2, keepdim=True))
        if self.kernels is None:
            return weights
        blur = self.kernels[part] @ _shifts(self.out, self.kernels.shape[1], weights.device)
        return blur.view(-1, self.out, self.out) @ weights


def blur_size(side: int) -> int:
    """Return the paper's kernel: a tenth of the image, made odd, at least 3 pixels."""
    return max(3, side // 10 // 2 * 2 + 1)


@lru_cache(maxsize=16)
def _shifts(side: int, kernel: int, device: torch.device) -> Tensor:
    """Return (kernel, side * side): for each k the matrix that takes the pixel k - kernel // 2 further on."""
    away = torch.arange(side) + torch.arange(kernel)[:, None] - kernel // 2
    source = away.abs()  # reflect at the first pixel,
    source = torch.where(source >= side, 2 * (side - 1) - source, source)  # and at the last one
    return torch.nn.functional.one_hot(source, side).float().flatten(1).to(device)
