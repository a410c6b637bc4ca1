"""How far off a mean of few runs (Student) or a share of many images (Wilson) may be; plain Python."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

from labkit.run_folder import LabError


class Interval(NamedTuple):
    """A mean over n seeds and how far off it may be; one value tells no spread: `half_width` is then nan."""

    mean: float
    half_width: float
    std: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.4g}" if self.n == 1 else f"{self.mean:.4g} ± {self.half_width:.2g} (n={self.n})"


def mean_interval(values: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """Return the mean of independent runs with Student's t interval, which allows for their small number."""
    values = [float(v) for v in values]
    n = len(values)
    if n == 0:
        raise LabError("An interval needs at least one value; it got none.")
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    return Interval(mean, t_quantile((1 + confidence) / 2, n - 1) * std / math.sqrt(n), std, n)


def share_interval(share: float, count: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return from where to where a share may truly lie that was seen to be `share` in `count` cases.

    Wilson's score interval (1927): it stays in [0, 1], also where all or none of few cases hit.
    """
    if count < 1 or not 0 <= share <= 1:
        raise LabError(f"A share of {share:g} in {count} cases has no interval; give 0 to 1 of at least one.")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)


def t_quantile(probability: float, degrees: int) -> float:
    """Return the t below which Student's distribution with `degrees` of freedom has `probability` (>= 1/2).

    With t = sqrt(degrees) tan(angle) the density is cos(angle)^(degrees - 1): smooth and bounded, so that
    Simpson's rule and bisection suffice (no SciPy in the training core).
    """

    def mass(angle: float, pieces: int = 400) -> float:
        h = angle / pieces
        heights = [math.cos(i * h) ** (degrees - 1) for i in range(pieces + 1)]
        return h / 3 * (heights[0] + heights[-1] + 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2]))

    low, high = 0.0, math.pi / 2
    target = (2 * probability - 1) * mass(math.pi / 2)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if mass(middle) < target else (low, middle)
    return math.sqrt(degrees) * math.tan(low)
