"""How far off a mean of few runs may be (Student)."""

import math
from collections.abc import Sequence
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
    from scipy.special import stdtrit  # Student's quantile; the training core does without SciPy

    std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    return Interval(mean, float(stdtrit(n - 1, (1 + confidence) / 2)) * std / math.sqrt(n), std, n)
