"""Pictures: grids of images, rows by class, before-and-after pairs, predictions beside their labels."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from labkit.plots.figure import INK, PALETTE, figure
from labkit.run_folder import LabError

RIGHT, WRONG = PALETTE[0], PALETTE[5]  # blue and vermilion; the words beside them mean the same
QUIET = "#666666"
Cell = tuple[int, int]  # row and column
GAP, LINE_INCHES = 0.08, 0.15  # between two images, in image widths; the height of a line of text


def plot_images(
    images: Tensor,
    *,
    titles: Sequence[str] | None = None,
    colors: Sequence[str] | None = None,
    columns: int = 10,
    title: str = "",
    inches: float = 0.9,
) -> Figure:
    """Return a grid of images, row by row.

    images: (N, C, H, W), uint8 or floats in [0, 1] (clipped to it); C is 1 or 3. titles, colors: one per
    image. inches: the width of one. Raises LabError where the shape or the number of titles does not fit.
    """
    pictures = _pictures(images)
    if titles is not None and len(titles) != len(pictures):
        raise LabError(f"{len(pictures)} images need as many titles, not {len(titles)}.")
    columns = max(1, min(columns, len(pictures)))
    cells = [divmod(number, columns) for number in range(len(pictures))]
    return _grid(
        dict(zip(cells, pictures, strict=True)),
        dict(zip(cells, titles or [], strict=False)),
        colors=dict(zip(cells, colors or [], strict=False)),
        title=title,
        inches=inches,
    )


def plot_class_rows(
    images: Tensor, labels: Tensor, *, classes: Sequence[str], per_class: int = 10, title: str = ""
) -> Figure:
    """Return one row of the first `per_class` images for every class, the name of the class at its left.

    images: (N, C, H, W); labels: (N,) int64. A class with fewer images leaves its row short.
    """
    pictures: dict[Cell, np.ndarray] = {}
    for row in range(len(classes)):
        chosen = (labels == row).nonzero()[:per_class, 0]
        for column, picture in enumerate(_pictures(images[chosen])):
            pictures[row, column] = picture
    return _grid(pictures, {}, title=title, inches=0.62, rows=classes, columns=per_class)


def plot_pairs(before: Tensor, after: Mapping[str, Tensor], *, columns: int = 4, title: str = "") -> Figure:
    """Return the picture before and after each of several named changes, side by side.

    before: (C, H, W); after: name -> (C, H, W), any size.
    """
    columns = max(1, min(columns, len(after)))
    original = _pictures(before[None])[0]
    pictures: dict[Cell, np.ndarray] = {}
    titles: dict[Cell, str] = {}
    for number, (name, image) in enumerate(after.items()):
        left = (number // columns, 2 * (number % columns))
        right = (left[0], left[1] + 1)
        pictures |= {left: original, right: _pictures(image[None])[0]}
        titles |= {left: "original", right: name}
    colors = {cell: QUIET if text == "original" else INK for cell, text in titles.items()}
    return _grid(pictures, titles, colors=colors, title=title, inches=1.05)


def plot_predictions(
    images: Tensor, labels: Tensor, *, probabilities: Tensor, classes: Sequence[str], columns: int = 6, title: str = ""
) -> Figure:
    """Return images under what they are and what the model predicts, with the probability of its answer.

    images: (N, C, H, W); labels: (N,); probabilities: (N, K).
    """
    confidence, predicted = probabilities.max(dim=1)
    titles, colors = [], []
    for truth, answer, sure in zip(labels.tolist(), predicted.tolist(), confidence.tolist(), strict=True):
        right = truth == answer
        titles.append(
            f"{'right' if right else 'wrong'}: {classes[answer]}\n"
            f"{sure:.0%}" + ("" if right else f", is {classes[truth]}")
        )
        colors.append(RIGHT if right else WRONG)
    return plot_images(images, titles=titles, colors=colors, columns=columns, title=title, inches=1.45)


def _grid(
    pictures: dict[Cell, np.ndarray],
    titles: dict[Cell, str],
    *,
    title: str,
    inches: float,
    colors: dict[Cell, str] | None = None,
    rows: Sequence[str] = (),
    columns: int = 0,
) -> Figure:
    """Draw pictures, (H, W, 3) of any size, as squares `inches` wide in ONE axes: many axes would be slow.

    rows: names to write at the left of each row. columns: leave room for as many, filled or not.
    """
    lines = max((text.count("\n") + 1 for text in titles.values()), default=0)
    pitch = 1 + GAP + lines * LINE_INCHES / inches  # from row to row, in image widths
    wide = max([columns, *(column + 1 for _, column in pictures)]) * (1 + GAP) - GAP
    high = max([len(rows), *(row + 1 for row, _ in pictures)]) * pitch - GAP
    margin = max((0.1 + 0.09 * len(name) for name in rows), default=0)
    fig, ((ax,),) = figure(
        width=wide * inches + margin + 0.2, plain=True, height=high * inches + 0.2 + (0.3 if title else 0)
    )
    for cell, picture in pictures.items():
        left, top = cell[1] * (1 + GAP), cell[0] * pitch + pitch - 1 - GAP
        ax.imshow(picture, extent=(left, left + 1, top + 1, top), interpolation="nearest")
        if cell in titles:
            ink = (colors or {}).get(cell, INK)
            look = {"ha": "center", "va": "bottom", "fontsize": 8, "color": ink, "linespacing": 1.1}
            ax.text(left + 0.5, top - 0.04, titles[cell], **look)
    ax.set_xlim(0, wide)
    ax.set_ylim(high, 0)
    ax.set_aspect("equal")
    ax.set_yticks([row * pitch + 0.5 for row in range(len(rows))], rows, fontsize=9)
    ax.tick_params(length=0)
    if title:
        fig.suptitle(title, fontsize=11, color=INK)
    return fig


def _pictures(images: Tensor) -> list[np.ndarray]:
    """Return (H, W, 3) uint8 arrays of (N, C, H, W) images."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise LabError(f"Images to draw have shape (N, 1 or 3, H, W), not {tuple(images.shape)}.")
    images = images.detach().cpu()
    if images.is_floating_point():
        images = (images.float().clamp(0, 1) * 255).round().to(torch.uint8)
    return list(images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy())  # (N, H, W, 3)
