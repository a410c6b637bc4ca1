"""Pictures: grids of images, rows by class, before-and-after pairs, predictions beside their labels."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from labkit.errors import LabError
from labkit.plots.figure import INK, PALETTE, figure

RIGHT, WRONG = PALETTE[0], PALETTE[5]      # blue and vermilion; the words beside them say the same


def plot_images(images: Tensor, *, titles: Sequence[str] | None = None, colors: Sequence[str] | None = None,
                columns: int = 10, title: str = "", inches: float = 0.9) -> Figure:
    """Return a grid of images, row by row.

    images: (N, C, H, W), uint8 or floats in [0, 1] (clipped to it); C is 1 or 3. titles, colors: one per
    image. inches: the width of one. Raises LabError where the shape or the number of titles does not fit.
    """
    pictures = _pictures(images)
    if titles is not None and len(titles) != len(pictures):
        raise LabError(f"{len(pictures)} images need as many titles, not {len(titles)}.")
    columns = max(1, min(columns, len(pictures)))
    rows = -(-len(pictures) // columns)
    lines = max((text.count("\n") + 1 for text in titles or []), default=0)
    fig, axes = figure(rows, columns, width=columns * inches, plain=True,
                       height=rows * (inches + 0.16 * lines) + (0.35 if title else 0.05))
    for number, picture in enumerate(pictures):
        ax = axes.flat[number]
        _draw(ax, picture)
        if titles is not None:
            ax.set_title(titles[number], fontsize=8, color=colors[number] if colors else INK, pad=2)
    for ax in axes.flat[len(pictures):]:
        ax.set_visible(False)
    _headline(fig, title)
    return fig


def plot_class_rows(images: Tensor, labels: Tensor, *, classes: Sequence[str], per_class: int = 10,
                    title: str = "") -> Figure:
    """Return one row of the first `per_class` images for every class, the name of the class at its left.

    images: (N, C, H, W); labels: (N,) int64. A class with fewer images leaves its row short.
    """
    fig, axes = figure(len(classes), per_class, width=1.1 + 0.62 * per_class,
                       height=0.64 * len(classes) + (0.4 if title else 0.1), plain=True)
    for number, name in enumerate(classes):
        chosen = (labels == number).nonzero()[:per_class, 0]
        for column, picture in enumerate(_pictures(images[chosen]) if len(chosen) else []):
            _draw(axes[number, column], picture)
        axes[number, 0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9, color=INK)
    _headline(fig, title)
    return fig


def plot_pairs(before: Tensor, after: Mapping[str, Tensor], *, columns: int = 4, title: str = "") -> Figure:
    """Return the picture before and after each of several named changes, side by side.

    before: (C, H, W); after: name -> (C, H, W), any size.
    """
    columns = max(1, min(columns, len(after)))
    rows = -(-len(after) // columns)
    fig, axes = figure(rows, 2 * columns, width=2 * columns * 1.05, height=rows * 1.35 + 0.35, plain=True)
    for number, (name, image) in enumerate(after.items()):
        left = axes[number // columns, 2 * (number % columns)]
        right = axes[number // columns, 2 * (number % columns) + 1]
        _draw(left, _pictures(before[None])[0])
        _draw(right, _pictures(image[None])[0])
        left.set_title("original", fontsize=8, color="#777777", pad=3)
        right.set_title(name, fontsize=8, color=INK, pad=3)
    for ax in axes.flat[2 * len(after):]:
        ax.set_visible(False)
    _headline(fig, title)
    return fig


def plot_predictions(images: Tensor, labels: Tensor, *, probabilities: Tensor, classes: Sequence[str],
                     columns: int = 6, title: str = "") -> Figure:
    """Return images under what they are and what the model says, with the probability of its answer.

    images: (N, C, H, W); labels: (N,); probabilities: (N, K).
    """
    confidence, predicted = probabilities.max(dim=1)
    titles, colors = [], []
    for truth, answer, sure in zip(labels.tolist(), predicted.tolist(), confidence.tolist(), strict=True):
        right = truth == answer
        titles.append(f"{'right' if right else 'wrong'}: {classes[answer]}\n"
                      f"{sure:.0%}" + ("" if right else f", is {classes[truth]}"))
        colors.append(RIGHT if right else WRONG)
    return plot_images(images, titles=titles, colors=colors, columns=columns, title=title, inches=1.45)


def _pictures(images: Tensor) -> list[np.ndarray]:
    """Return (H, W, 3) uint8 arrays of (N, C, H, W) images."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise LabError(f"Images to draw have shape (N, 1 or 3, H, W), not {tuple(images.shape)}.")
    images = images.detach().cpu()
    if images.is_floating_point():
        images = (images.float().clamp(0, 1) * 255).round().to(torch.uint8)
    return list(images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy())      # (N, H, W, 3)


def _draw(ax: Axes, picture: np.ndarray) -> None:
    ax.imshow(picture, interpolation="nearest")      # smoothing would hide what the network sees


def _headline(fig: Figure, title: str) -> None:
    if title:
        fig.suptitle(title, fontsize=11, color=INK)
