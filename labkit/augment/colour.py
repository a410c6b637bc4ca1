"""Colour changes as one affine map per image: out = M x + N m, with m the mean colour of the image itself.

Every operation of SimCLR's colour distortion is linear in the pixel, except contrast, which also mixes in the
mean gray of the image as it is by then. That mean is linear in the first one, so two 3x3 matrices hold any
sequence.
"""

import math

import torch
from torch import Tensor

from labkit.errors import LabError

LUMA = (0.2989, 0.587, 0.114)                     # gray of red, green, blue, as torchvision weighs them
YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def draw_colour(count: int, generator, *, strength=1.0, probability=0.8, gray=0.2) -> Tensor:
    """Return (count, 18) float32, M and N of each image: SimCLR's distortion of strength s (Chen et al. 2020,
    app. A).

    With `probability`, brightness, contrast and saturation are multiplied by uniform(1 - 0.8 s, 1 + 0.8 s)
    (not below 0) and the hue turned by uniform(-0.2 s, 0.2 s) of a circle, in an order of each image's own;
    then, with probability `gray`, the image becomes gray.
    """
    uniform = torch.rand(count, 10, generator=generator)
    jittered = uniform[:, :1] < probability
    low, high = max(0.0, 1 - 0.8 * strength), 1 + 0.8 * strength
    factors = torch.where(jittered, low + (high - low) * uniform[:, 1:4], 1.0)
    turns = torch.where(jittered[:, 0], min(0.2 * strength, 0.5) * (2 * uniform[:, 4] - 1), 0.0)
    m, n = distortion(*factors.unbind(1), turns, order=uniform[:, 5:9].argsort(1))
    to_gray = (uniform[:, 9] < gray)[:, None, None]
    m, n = (torch.where(to_gray, _gray() @ matrix, matrix) for matrix in (m, n))
    return torch.cat([m.flatten(1), n.flatten(1)], 1)


def distortion(brightness, contrast, saturation, turns, order: Tensor) -> tuple[Tensor, Tensor]:
    """Return M, N, each (B, 3, 3), of the four operations in each image's own order.

    brightness, contrast, saturation: (B,) factors, 1 changes nothing; turns: (B,) hue rotation, 1 is a whole
    circle; order: int64 (B, 4), a permutation of 0 brightness, 1 contrast, 2 saturation, 3 hue.
    """
    count, gray, one = len(order), _gray(), torch.eye(3)
    scale = brightness[:, None, None] * one
    fade = contrast[:, None, None] * one
    saturate = saturation[:, None, None] * one + (1 - saturation)[:, None, None] * gray
    pixel = torch.stack([scale, fade, saturate, hue_matrix(turns)], 1)                   # (B, 4, 3, 3)
    mean = torch.zeros(count, 4, 3, 3)
    mean[:, 1] = (1 - contrast)[:, None, None] * gray                                    # what contrast mixes in
    rows = torch.arange(count)[:, None]
    pixel, mean = pixel[rows, order], mean[rows, order]
    m, n = one.expand(count, 3, 3), torch.zeros(count, 3, 3)
    for k in range(4):
        m, n = pixel[:, k] @ m, pixel[:, k] @ n + mean[:, k] @ (m + n)
    return m, n


def hue_matrix(turns: Tensor) -> Tensor:
    """Return (B, 3, 3): the rotation of the chroma plane of YIQ by `turns` of a circle; luma stays."""
    forth = torch.tensor(YIQ)
    angle = 2 * math.pi * turns
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    turn = torch.stack([one, zero, zero, zero, cos, sin, zero, -sin, cos], 1).view(-1, 3, 3)
    return torch.linalg.inv(forth) @ turn @ forth


def _gray() -> Tensor:
    return torch.tensor(LUMA).expand(3, 3)


def matrices(colour: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Return M and N, each (B, C, C), of drawn (B, 18); LabError unless images have 1 or 3 channels."""
    m, n = colour.view(-1, 2, 3, 3).unbind(1)
    if channels == 3:
        return m, n
    if channels == 1:                             # every operation keeps gray gray: what a gray pixel becomes
        return m.sum(2)[:, :1, None], n.sum(2)[:, :1, None]
    raise LabError(f"Colour changes need 1 or 3 channels; these images have {channels}. Set the colour strength to 0.")


def recolour(pixels: Tensor, m: Tensor, n: Tensor, out: Tensor) -> Tensor:
    """Write clamp(M x + N mean(x), 0, 1) of pixels (B, C, P) into out (B, C, P)."""
    offset = n @ pixels.mean(2, keepdim=True)                                            # (B, C, 1)
    return torch.baddbmm(offset, m, pixels, out=out).clamp_(0, 1)
