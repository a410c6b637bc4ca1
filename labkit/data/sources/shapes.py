"""The renderer of `shapes`: places, turns, colors and textures an outline, for many images at a time.

One renderer draws all class sets, so that they differ in shape alone.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from labkit.seeding import derive

CHUNK_PIXELS = 128 * 32 * 32  # a chunk's planes then stay in the processor's cache
LUMA = (0.299, 0.587, 0.114)


class Nuisances:
    """How much everything but the shape varies, at a difficulty of 0 (upright, centered, plain) to 1."""

    def __init__(self, difficulty: float):
        d = difficulty
        self.turn = math.pi * min(1.0, 2 * d)  # largest rotation, radians to both sides
        self.shift = min(1.0, 1.5 * d)  # largest offset, as a part of the free margin
        self.size = (0.62 - 0.22 * d, 0.66 + 0.08 * d)  # radius, in half images
        self.stretch = 0.35 * d  # largest log aspect ratio
        self.contrast = 0.4 - 0.2 * d  # least luminance difference between the two colors
        self.gradient, self.grating, self.noise = 0.25 * d, 0.2 * d, 0.01 + 0.07 * d


def generator_for(*path: int) -> torch.Generator:
    """Return a generator that depends on every number of `path` and on nothing else."""
    return torch.Generator().manual_seed(derive(*path))


def uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return torch.rand(shape, generator=generator).mul_(high - low).add_(low)


def grid(image_size: int) -> tuple[Tensor, Tensor]:
    """Return the pixel centers x (1, 1, W) and y (1, H, 1) in [-1, 1], y upwards."""
    centers = (torch.arange(image_size) + 0.5) * (2 / image_size) - 1
    return centers.view(1, 1, -1), -centers.view(1, -1, 1)


def area(outline: Callable) -> float:
    """Return the area of an outline, so that no class can be recognized by how many pixels it covers."""
    x, y = grid(96)
    return float((outline(x * 1.4 + 0 * y, y * 1.4 + 0 * x) < 0).float().mean()) * 2.8**2


def cover(outline: Callable, count: int, *, image_size: int, n: Nuisances, generator: torch.Generator) -> Tensor:
    """Return how much of each pixel the placed shape covers: (N, H, W) in [0, 1]."""
    draw = uniform(generator, -1, 1, 4, count, 1, 1)
    size = uniform(generator, *n.size, count, 1, 1) * min(1.25, (1.25 / area(outline)) ** 0.5)
    margin = (1 - 1.05 * size).clamp_min_(0) * n.shift
    x, y = grid(image_size)
    x, y = x - draw[0] * margin, y - draw[1] * margin  # (N, 1, W), (N, H, 1)
    angle, stretch = draw[2] * n.turn, (draw[3] * n.stretch / 2).exp()
    cos, sin = angle.cos() / size, angle.sin() / size
    distance = outline((x * cos + y * sin) * stretch, (y * cos - x * sin) / stretch)
    return distance.mul_(-size * image_size / 2).add_(0.5).clamp_(0, 1)


def colors(count: int, *, least: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return background and foreground, (N, 3) in [0, 1]: luminances differ by at least `least` (<= 0.5)."""
    luma = torch.tensor(LUMA)
    back = torch.rand(count, 3, generator=generator)
    tries = torch.rand(count, 16, 3, generator=generator)
    tries[:, -1] = (back @ luma < 0.5).float()[:, None]  # black or white is always far enough
    fits = (tries @ luma - (back @ luma)[:, None]).abs() >= least
    return back, tries[torch.arange(count), fits.float().argmax(1)]


def texture(count: int, *, image_size: int, n: Nuisances, generator: torch.Generator) -> Tensor:
    """Return a brightness pattern (N, H, W) around 0: a slope plus a grating, each of random direction."""
    turn = uniform(generator, 0, 2 * math.pi, 3, count, 1, 1)
    slope = uniform(generator, 0, n.gradient, count, 1, 1)
    depth = uniform(generator, 0, n.grating, count, 1, 1)
    pitch = uniform(generator, 4, 16, count, 1, 1)  # radians per half image
    x, y = grid(image_size)
    wave = (x * (pitch * turn[1].cos()) + (y * (pitch * turn[1].sin()) + turn[2])).sin_().mul_(depth)
    return wave.add_(x * (slope * turn[0].cos())).add_(y * (slope * turn[0].sin()))


def paint(coverage: Tensor, *, difficulty: float, generator: torch.Generator) -> Tensor:
    """Return colored, textured, noisy images, uint8 (N, 3, H, W), of shapes that cover (N, H, W)."""
    count, image_size, n = len(coverage), coverage.shape[-1], Nuisances(difficulty)
    back, fore = (c[:, :, None, None] for c in colors(count, least=n.contrast, generator=generator))
    ground = texture(count, image_size=image_size, n=n, generator=generator)
    figure = texture(count, image_size=image_size, n=n, generator=generator)
    brightness = ground.add_(figure.sub_(ground).mul_(coverage))[:, None]  # (N, 1, H, W)
    images = torch.randn(count, 3, image_size, image_size, generator=generator).mul_(n.noise)
    images.addcmul_(coverage[:, None], fore - back).add_(back).add_(brightness)
    return images.clamp_(0, 1).mul_(255).round_().to(torch.uint8)


def render(
    outlines: list[Callable],
    labels: Tensor,
    *,
    image_size: int = 32,
    difficulty: float = 0.7,
    path: tuple[int, ...] = (0,),
) -> Tensor:
    """Draw image i with outlines[labels[i]]; returns uint8 (N, 3, image_size, image_size).

    labels: int64 (N,). path: numbers that seed the drawing. Work goes class by class, in chunks.
    """
    images = torch.empty(len(labels), 3, image_size, image_size, dtype=torch.uint8)
    step, n = max(1, CHUNK_PIXELS // image_size**2), Nuisances(difficulty)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # planes of this size gain nothing from more and lose much where cores are shared
    try:
        for k, outline in enumerate(outlines):
            for number, rows in enumerate(torch.nonzero(labels == k).flatten().split(step)):
                draw = generator_for(*path, k, number)
                coverage = cover(outline, len(rows), image_size=image_size, n=n, generator=draw)
                images[rows] = paint(coverage, difficulty=difficulty, generator=draw)
    finally:
        torch.set_num_threads(threads)
    return images
