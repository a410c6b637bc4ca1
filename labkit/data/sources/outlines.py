"""The outlines of `shapes`: for each class a function that is negative inside, in units of about one radius.

Each takes x, y of shape (N, H, W), y upwards, and returns (N, H, W): nearly the distance from the outline,
which the renderer turns into an anti-aliased edge. Two sets of ten named shapes and 200 random glyphs.
"""

import math
import random
from functools import cache

import torch
from torch import Tensor

GLYPHS = 200


def box(x, y, half_width: float, half_height: float) -> Tensor:
    return torch.maximum(x.abs() - half_width, y.abs() - half_height)


def segment(x, y, start: tuple[float, float], end: tuple[float, float]) -> Tensor:
    """Return the distance from the line between two points."""
    (x0, y0), (x1, y1) = start, end
    dx, dy = x1 - x0, y1 - y0
    along = ((x - x0) * (dx / (dx * dx + dy * dy))).add_(y - y0, alpha=dy / (dx * dx + dy * dy)).clamp_(0, 1)
    return torch.hypot(x - x0 - along * dx, y - y0 - along * dy)


def union(*parts: Tensor) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.minimum(parts[0], union(*parts[1:]))


def sector(x, y, folds: int) -> tuple[Tensor, Tensor]:
    """Fold the plane into one of `folds` equal sectors about the y axis; returns (x >= 0, y)."""
    step = 2 * math.pi / folds
    angle = torch.atan2(x, y)
    angle = (angle - step * torch.round(angle / step)).abs_()
    radius = torch.hypot(x, y)
    return radius * angle.sin(), radius * angle.cos()


def star(x, y):
    x, y = sector(x, y, 5)
    return x * 0.9366 + (y - 1.05) * 0.3505  # the line from the tip to the notch between two tips


def ellipse(x, y):
    a, b = 1.05, 0.5
    level = torch.hypot(x / a, y / b)
    return level * (level - 1) / torch.hypot(x / a**2, y / b**2).clamp_min_(1e-3)


def letter_z(x, y):
    slanted = segment(x, y, (0.55, 0.6), (-0.55, -0.6)) - 0.2
    return union(box(x, y.abs() - 0.66, 0.76, 0.19), torch.maximum(slanted, y.abs() - 0.85))


def propeller(x, y):
    x, y = sector(x, y, 3)
    level = torch.hypot(x / 0.3, (y - 0.54) / 0.54)
    return level * (level - 1) / torch.hypot(x / 0.09, (y - 0.54) / 0.2916).clamp_min_(1e-3)


def astroid(x, y):
    x, y = x.abs(), y.abs()
    return torch.maximum(1.1 - torch.hypot(x - 1.1, y - 1.1), torch.maximum(x, y) - 1.1)


CORPUS = {
    "circle": lambda x, y: torch.hypot(x, y) - 0.8,
    "square": lambda x, y: box(x, y, 0.72, 0.72),
    "triangle": lambda x, y: torch.maximum(x.abs() * 0.866 + y * 0.5, -y) - 0.52,
    "star": star,
    "cross": lambda x, y: union(box(x, y, 0.26, 0.9), box(x, y, 0.9, 0.26)),
    "ring": lambda x, y: (torch.hypot(x, y) - 0.72).abs_() - 0.2,
    "crescent": lambda x, y: torch.maximum(torch.hypot(x + 0.15, y) - 0.95, 0.78 - torch.hypot(x - 0.32, y)),
    "bars": lambda x, y: box(x - 0.62 * torch.round(x / 0.62).clamp_(-1, 1), y, 0.17, 0.85),
    "half disc": lambda x, y: torch.maximum(torch.hypot(x, y + 0.42) - 1.0, -(y + 0.42)),
    "L": lambda x, y: union(box(x + 0.38, y, 0.24, 0.9), box(x - 0.06, y + 0.66, 0.68, 0.24)),
}
PROBE = {
    "ellipse": ellipse,
    "hourglass": lambda x, y: torch.maximum(y.abs() - 0.85, (x.abs() - y.abs() * 0.9 - 0.05) * 0.74),
    "T": lambda x, y: union(box(x, y - 0.62, 0.8, 0.23), box(x, y + 0.12, 0.23, 0.76)),
    "Z": letter_z,
    "U": lambda x, y: union(box(x.abs() - 0.56, y, 0.22, 0.85), box(x, y + 0.63, 0.78, 0.22)),
    "propeller": propeller,
    "astroid": astroid,
    "frame": lambda x, y: box(x, y, 0.62, 0.62).abs_() - 0.17,
    "pacman": lambda x, y: torch.maximum(torch.hypot(x, y) - 0.9, x * 0.6 - y.abs() * 0.8),
    "dots": lambda x, y: torch.hypot(x.abs() - 0.55, y.abs() - 0.55) - 0.33,
}


# the glyphs: connected figures of four or five strokes between the nine points of a 3x3 grid


def stroke_symmetries(strokes: frozenset) -> list[tuple]:
    """Return a figure's eight turned and mirrored copies, each moved to the corner of the grid.

    No glyph is another's copy: turning, moving and flipping are nuisances that must not change the class.
    """
    copies = []
    for mirror in (1, -1):
        for turn in range(4):
            cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[turn]
            moved = [[(mirror * x * cos - y * sin, mirror * x * sin + y * cos) for x, y in s] for s in strokes]
            left, low = (min(point[axis] for s in moved for point in s) for axis in (0, 1))
            copies.append(tuple(sorted(tuple(sorted((x - left, y - low) for x, y in s)) for s in moved)))
    return copies


@cache
def glyph_strokes(count: int = GLYPHS) -> tuple[tuple, ...]:
    """Return `count` different glyphs, each a tuple of strokes ((x0, y0), (x1, y1)) on the grid 0, 1, 2."""
    chooser = random.Random(2002)
    glyphs: list[tuple] = []
    while len(glyphs) < count:
        points, wanted = {(0, 0)}, chooser.choice((4, 5))
        strokes: set[frozenset] = set()  # connected, between neighboring points of -1, 0, 1
        while len(strokes) < wanted:
            x, y = start = chooser.choice(sorted(points))
            end = (x + chooser.randint(-1, 1), y + chooser.randint(-1, 1))
            if end != start and max(map(abs, end)) <= 1:
                strokes.add(frozenset((start, end)))
                points.add(end)
        canonical = min(stroke_symmetries(frozenset(strokes)))
        if canonical not in glyphs:
            glyphs.append(canonical)
    return tuple(glyphs)


def glyph(strokes: tuple):
    """Return the outline function of one glyph, centered."""
    points = [point for stroke in strokes for point in stroke]
    middle = [(max(values) + min(values)) / 2 for values in zip(*points, strict=True)]
    placed = [[tuple(0.72 * (v - m) for v, m in zip(p, middle, strict=True)) for p in s] for s in strokes]

    def outline(x, y):
        return union(*(segment(x, y, start, end) for start, end in placed)) - 0.17

    return outline


def outlines(classes_set: str) -> dict:
    """Return {class name: outline} of "corpus", "probe" or "glyphs"."""
    if classes_set == "glyphs":
        return {f"glyph {k:03d}": glyph(strokes) for k, strokes in enumerate(glyph_strokes())}
    return {"corpus": CORPUS, "probe": PROBE}[classes_set]
