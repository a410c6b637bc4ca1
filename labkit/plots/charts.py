"""Charts with labeled axes: lines, bars, histograms, heat maps, learning curves and confusion matrices."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from labkit.plots.figure import INK, PALETTE, figure, label_axes, style


def plot_lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    log_x: int | None = None,
    log_y: int | None = None,
    ideal: str | None = None,
    spread: Mapping[str, Sequence[float]] | None = None,
    width: float = 7.0,
    height: float = 3.8,
) -> Figure:
    """Return one line per series: name -> (x values, y values).

    x_label, y_label: with units. log_x, log_y: the base of a logarithmic axis. ideal: the name of a series
    that is a reference, drawn dashed in gray. spread: name -> half the height of its error bars, in y units.
    """
    fig, ((ax,),) = figure(width=width, height=height)
    number = 0
    for name, (x, y) in series.items():
        if name == ideal:
            ax.plot(x, y, "--", color="#7F7F7F", linewidth=1.4, label=name)
            continue
        ax.errorbar(x, y, yerr=(spread or {}).get(name), label=name, capsize=3, **style(number))
        number += 1
    if log_y:
        ax.set_yscale("log", base=log_y)
        ax.yaxis.set_major_locator(LogLocator(log_y, subs=(1, 2, 5) if log_y == 10 else (1,)))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter("{x:,.10g}")
    if log_x:
        ax.set_xscale("log", base=log_x)
        ax.set_xticks(sorted({float(value) for x, _ in series.values() for value in x}))  # where it was measured
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter("{x:.10g}")
    label_axes(ax, x_label, y_label, title)
    if len(series) > 1:
        ax.legend(frameon=False, fontsize=9)
    return fig


def plot_bars(
    values: Mapping[str, float],
    *,
    x_label: str,
    title: str = "",
    form: str = "{:,.0f}",
    log: bool = False,
    spread: Mapping[str, float] | None = None,
) -> Figure:
    """Return one horizontal bar per name, its value written at its end with `form`."""
    names, sizes = list(values), list(values.values())
    fig, ((ax,),) = figure(width=7.0, height=0.9 + 0.34 * len(names))
    errors = [spread.get(name, 0) for name in names] if spread else None
    bars = ax.barh(names, sizes, color=PALETTE[0], xerr=errors)
    ax.bar_label(bars, [form.format(size) for size in sizes], padding=4, fontsize=9, color=INK)
    ax.invert_yaxis()  # the first name on top, as one reads
    ax.grid(axis="y", visible=False)
    if log:
        ax.set_xscale("log")
        ax.xaxis.set_minor_formatter("")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.xaxis.set_major_formatter("{x:,.10g}")
    ax.margins(x=0.16)
    label_axes(ax, x_label, "", title)
    return fig


def plot_groups(
    groups: Mapping[str, Mapping[str, float]], *, y_label: str, x_label: str = "", title: str = ""
) -> Figure:
    """Return bars side by side: series -> (category -> value); every series has the same categories."""
    categories = list(next(iter(groups.values())))
    fig, ((ax,),) = figure(width=7.5, height=3.6)
    many = len(categories) > 6
    thickness = 0.8 / len(groups)
    for number, (name, values) in enumerate(groups.items()):
        places = np.arange(len(categories)) - 0.4 + (number + 0.5) * thickness
        heights = [values[category] for category in categories]
        look = {"color": style(number)["color"], "hatch": ("", "//", "..", "xx")[number % 4], "edgecolor": "white"}
        ax.bar(places, heights, thickness, label=name, **look)
    ax.set_xticks(range(len(categories)), categories, rotation=30 * many, ha="right" if many else "center")
    ax.grid(axis="x", visible=False)
    label_axes(ax, x_label, y_label, title)
    ax.legend(frameon=False, fontsize=9, ncols=len(groups), loc="lower right", bbox_to_anchor=(1, 1.0))
    return fig


def plot_histogram(
    samples: Mapping[str, Sequence[float]],
    *,
    x_label: str,
    title: str = "",
    bins: int = 64,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Return the distribution of each sample as an outline; the area under each is 1."""
    fig, ((ax,),) = figure(width=7.0, height=3.2)
    for number, (name, values) in enumerate(samples.items()):
        look = {"color": style(number)["color"], "linestyle": ("-", "--", "-.", ":")[number % 4], "linewidth": 1.8}
        numbers = np.asarray(values).ravel()
        ax.hist(numbers, bins=bins, range=limits, density=True, histtype="step", label=name, **look)
    label_axes(ax, x_label, "Density (area 1)", title)
    ax.legend(frameon=False, fontsize=9)
    return fig


def plot_heatmap(
    matrix: np.ndarray,
    *,
    x_label: str,
    y_label: str,
    unit: str,
    title: str = "",
    x_names: Sequence[str] | None = None,
    y_names: Sequence[str] | None = None,
    form: str | None = None,
    written: np.ndarray | None = None,
    limits: tuple[float, float] | None = None,
    width: float = 6.2,
    height: float = 5.2,
) -> Figure:
    """Return a matrix as colors with their scale in `unit`.

    form: writes each cell's value, or that of `written`, into it. The colors (cividis) rise in lightness too, so
    the picture survives gray print and color blindness.
    """
    matrix = np.asarray(matrix)
    fig, ((ax,),) = figure(width=width, height=height)
    low, high = limits or (float(np.nanmin(matrix)), float(np.nanmax(matrix)))
    picture = ax.imshow(matrix, cmap="cividis", vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    fig.colorbar(picture, ax=ax, label=unit)
    ax.grid(visible=False)
    if x_names is not None:
        short = max(map(len, x_names)) <= 3
        turned = {"rotation": 0 if short else 45, "ha": "center" if short else "right"}
        ax.set_xticks(range(len(x_names)), x_names, fontsize=8, **turned)
    if y_names is not None:
        ax.set_yticks(range(len(y_names)), y_names, fontsize=8)
    if form is not None:
        for (row, column), value in np.ndenumerate(matrix if written is None else written):
            ink = "black" if matrix[row, column] > (low + high) / 2 else "white"
            ax.text(column, row, form.format(value), ha="center", va="center", fontsize=8, color=ink)
    label_axes(ax, x_label, y_label, title)
    return fig


def plot_curves(
    histories: Mapping[str, Sequence[Mapping]], *, title: str = "", loss_label: str = "Cross-entropy (nats)"
) -> Figure:
    """Return loss (above) and accuracy (below) per epoch, one column per model, on shared scales.

    histories: name -> rows with `epoch` (from 1) and train_ and val_ of `loss` and `accuracy` (the latter a
    share of 1); a key that no row has is left out. Training is a dashed orange line with squares, validation
    a solid blue one with dots; the best validation accuracy is marked.
    """
    fig, axes = figure(2, len(histories), width=max(6.0, 3.2 * len(histories)), height=5.4, share_y=True)
    for column, (name, rows) in enumerate(histories.items()):
        for row, (key, scale) in enumerate((("loss", 1), ("accuracy", 100))):
            ax = axes[row, column]
            for split, number, line in (("train", 1, "--"), ("val", 0, "-")):
                kept = [(r["epoch"], scale * r[f"{split}_{key}"]) for r in rows if r.get(f"{split}_{key}") is not None]
                if kept:
                    label = "training" if split == "train" else "validation"
                    ax.plot(*zip(*kept, strict=True), label=label, **style(number, line=line))
            ax.xaxis.get_major_locator().set_params(integer=True)
        scored = [row for row in rows if row.get("val_accuracy") is not None]
        if scored:
            best = max(scored, key=lambda row: (row["val_accuracy"], -row["epoch"]))  # a tie: the earlier
            percent = 100 * best["val_accuracy"]
            above = {"xytext": (0, 8), "textcoords": "offset points", "ha": "center", "fontsize": 9}
            axes[1, column].annotate(f"{percent:.1f} %", (best["epoch"], percent), color=PALETTE[0], **above)
        label_axes(axes[0, column], "", loss_label if column == 0 else "", name)
        label_axes(axes[1, column], "Epoch", "Accuracy (%)" if column == 0 else "", "")
    axes[0, -1].legend(frameon=False, fontsize=9)
    if title:
        fig.suptitle(title, fontsize=11)
    return fig


def plot_confusion(confusion: Sequence[Sequence[int]], *, classes: Sequence[str], title: str = "") -> Figure:
    """Return the confusion matrix (K, K), true class by predicted class, colored by the share of its row.

    Up to 20 classes each cell also shows its count; beyond that only colors and names remain legible.
    """
    counts, few = np.asarray(confusion), len(classes) <= 20
    size = max(5.2, 0.5 * len(classes) + 1.2) if few else 9.0
    return plot_heatmap(
        100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1),  # an absent class: zeros
        x_label="Predicted class",
        y_label="True class",
        title=title,
        x_names=classes,
        y_names=classes,
        unit="Share of the true class (%)",
        form="{:,}" if few else None,
        written=counts,
        limits=(0, 100),
        width=size + 1.2,
        height=size,
    )
