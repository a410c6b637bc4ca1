"""Measuring what a random image transform did, from its outputs alone; channels may be normalized anyhow."""

import itertools
import math

import torch
from torch import Tensor

from autograder.checking import expect
from autograder.draw import Draw
from autograder.measure.compare import tensor
from autograder.student import Student, image

DRAWS = 300


def shares(views: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Return which part of a checkerboard's width, and of its height, each view (N, 3, S, S) shows: N numbers each.

    Sides are told from the distance between edges, so brightness, contrast and mirroring do not matter.
    """
    gray = views.mean(1)  # (N, S, S)
    return _share(gray, cells), _share(gray.transpose(1, 2), cells)


def _share(gray: Tensor, cells: int) -> Tensor:
    """Return the share of the width that each view shows."""
    lines = gray[torch.arange(len(gray)), gray.std(2).argmax(1)]  # (N, S): the line with the most contrast
    return torch.tensor([_cells_across(line.tolist()) / cells for line in lines], dtype=torch.float64)


def _cells_across(line: list[float]) -> float:
    """Return how many cells a line crosses, from its first and last edge."""
    middle = (min(line) + max(line)) / 2
    edges = [
        i + (middle - a) / (b - a) for i, (a, b) in enumerate(itertools.pairwise(line)) if (a < middle) != (b < middle)
    ]
    if len(edges) < 2:
        return len(edges) + 0.8
    return len(line) * (len(edges) - 1) / (edges[-1] - edges[0])


def slopes(views: Tensor) -> tuple[Tensor, Tensor]:
    """Return how strongly each view (N, 3, S, S) grows lighter downwards and to the right.

    A flat one (all white after a strong jitter: one in fifty) has the slope 0, whatever rounding leaves of it.
    """
    gray = views.mean(1)
    place = torch.linspace(-1, 1, gray.shape[-1], dtype=gray.dtype)
    down, right = (gray.mean(2) * place).sum(1), (gray.mean(1) * place).sum(1)
    return down * (down.abs() > 1e-6), right * (right.abs() > 1e-6)


def calibrate(colors: Tensor, black: Tensor, white: Tensor) -> Tensor:
    """Return colors (N, 3) with normalization undone: `black`, `white` (M, 3) are what those two became.

    Jitter leaves black alone and darkens white at most, so black's median and white's maximum are exact.
    """
    low, high = black.median(0).values, white.amax(0)
    return (colors - low) / (high - low).clamp_min(1e-9)


def drawn_views(student: Student, pixels: Tensor, size: int, times: int) -> Tensor:
    """Return `times` views (times, 3, size, size), float64, of an image (H, W, 3)."""
    transform = student.get_simclr_transform.keep(size)
    _checked(student.kit.repeat(transform, image(pixels), 1), size, 1)  # before hundreds of a wrong size
    return _checked(student.kit.repeat(transform, image(pixels), times), size, times)


def _checked(got, size: int, times: int) -> Tensor:
    """Return the views in float64. Raises CheckFailed where they are no (times, 3, size, size) finite floats."""
    got = got[0] if isinstance(got, list) and got else got
    tensor(got, (times, 3, size, size), f"{times} views of get_simclr_transform({size})")
    expect(got.is_floating_point() and got.isfinite().all(), f"A view must be finite floats; yours is {got.dtype}.")
    return got.double()


def colors(student: Student, draw: Draw) -> tuple[Tensor, Tensor, float, tuple[Tensor, Tensor]]:
    """Return what views (DRAWS, 3) make of one flat color, 0 black and 1 white; that color; how far pixels of a
    view differ at most; what black and white became. Drawn once for a submission: two checks look at them.
    """
    if "colors" not in student.measured:
        student.measured["colors"] = _colors(student, draw)
    return student.measured["colors"]


def _colors(student: Student, draw: Draw):
    def flat_views(pixels: Tensor, times: int) -> Tensor:
        return drawn_views(student, pixels, 12, times).flatten(2)

    levels = (torch.full((16, 16, 3), level, dtype=torch.uint8) for level in (0, 255))
    black, white = (flat_views(one, 50).median(2).values for one in levels)
    flat = torch.tensor([draw.integer(125, 140), draw.integer(50, 70), draw.integer(80, 95)])[draw.permutation(3)]
    views = flat_views(flat.to(torch.uint8).expand(16, 16, 3).contiguous(), DRAWS)
    got = calibrate(views.median(2).values, black, white)
    wide = (white.amax(0) - black.median(0).values).clamp_min(1e-9)
    rough = float(((views.amax(2) - views.amin(2)) / wide).max())
    return got, flat.double() / 255, rough, (black, white)


def factors(student: Student, draw: Draw) -> tuple[Tensor, Tensor]:
    """Return by which factors views change contrast and saturation: one number of each view that shows them.

    Seen in a mosaic of a dark, a light and a colored cell: c = (light - dark) / (light + dark), which brightness
    leaves alone, and s = chroma / (light - dark), which brightness and contrast leave alone.
    """
    index = torch.arange(64) // 8
    kinds = torch.where((index[:, None] + index[None]) % 2 == 0, 2, index[:, None] % 2)
    table = torch.tensor([[60.0] * 3, [100.0] * 3, [100.0, 70.0, 73.0]])[:, draw.permutation(3)]
    views = drawn_views(student, table[kinds].to(torch.uint8), 64, DRAWS).flatten(2).mT  # (N, pixels, 3)
    views = calibrate(views.reshape(-1, 3), *colors(student, draw)[3]).view(views.shape)
    chroma, light = views.amax(2) - views.amin(2), views.mean(2)
    most, found = chroma.quantile(0.75, 1), []
    for strongest, one, level in zip(most, chroma, light, strict=True):
        plain = level[one < 0.2 * strongest]
        if strongest > 8e-3 and len(plain) > 50:
            dark, bright = plain.quantile(torch.tensor([0.1, 0.9]).double())
            if bright - dark > 20 / 255:
                found.append([float((bright - dark) / (bright + dark)), float(strongest / (bright - dark))])
    expect(len(found) > DRAWS / 5, "Hardly any view shows dark, light and colored cells as such.")
    return torch.tensor(found).double().clamp_min(1e-3).unbind(1)


def is_gray(color: Tensor) -> Tensor:
    return color.amax(1) - color.amin(1) < 1.5e-3


def hue(color: Tensor) -> Tensor:
    """Return the hue of colors (..., 3), as a part of the whole turn."""
    r, g, b = color.unbind(-1)
    return torch.atan2(3**0.5 * (g - b), 2 * r - g - b) / (2 * math.pi)
