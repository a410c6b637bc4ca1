"""Charts: lines, bars, groups of bars, histograms, scatter plots and heat maps with labelled axes."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

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
    that is a reference, drawn dashed in grey. spread: name -> half the height of its error bars, in y units.
    """
    fig, axes = figure(width=width, height=height)
    ax = axes[0, 0]
    number = 0
    for name, (x, y) in series.items():
        if name == ideal:
            ax.plot(x, y, "--", color="#7F7F7F", linewidth=1.4, label=name)
            continue
        ax.errorbar(x, y, yerr=(spread or {}).get(name), label=name, capsize=3, **style(number))
        number += 1
    _scale(ax, log_x, log_y, [x for x, _ in series.values()])
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
    fig, axes = figure(width=7.0, height=0.9 + 0.34 * len(names))
    ax = axes[0, 0]
    bars = ax.barh(
        names, sizes, color=PALETTE[0], xerr=[(spread or {}).get(name, 0) for name in names] if spread else None
    )
    ax.bar_label(bars, [form.format(size) for size in sizes], padding=4, fontsize=9, color=INK)
    ax.invert_yaxis()  # the first name on top, as one reads
    ax.grid(axis="y", visible=False)
    if log:
        ax.set_xscale("log")
    else:
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.margins(x=0.16)
    label_axes(ax, x_label, "", title)
    return fig


def plot_groups(
    groups: Mapping[str, Mapping[str, float]],
    *,
    y_label: str,
    x_label: str = "",
    title: str = "",
    width: float = 7.5,
    height: float = 3.6,
) -> Figure:
    """Return bars side by side: series -> (category -> value); every series has the same categories."""
    categories = list(next(iter(groups.values())))
    fig, axes = figure(width=width, height=height)
    ax = axes[0, 0]
    thickness = 0.8 / len(groups)
    for number, (name, values) in enumerate(groups.items()):
        places = np.arange(len(categories)) - 0.4 + (number + 0.5) * thickness
        ax.bar(
            places,
            [values[category] for category in categories],
            thickness,
            label=name,
            color=style(number)["color"],
            hatch=("", "//", "..", "xx")[number % 4],
            edgecolor="white",
        )
    ax.set_xticks(
        range(len(categories)),
        categories,
        rotation=30 if len(categories) > 6 else 0,
        ha="right" if len(categories) > 6 else "center",
    )
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
    width: float = 7.0,
    height: float = 3.2,
) -> Figure:
    """Return the distribution of each sample as an outline; the area under each is 1."""
    fig, axes = figure(width=width, height=height)
    ax = axes[0, 0]
    for number, (name, values) in enumerate(samples.items()):
        look = style(number, line=("-", "--", "-.", ":")[number % 4])
        ax.hist(
            np.asarray(values).ravel(),
            bins=bins,
            range=limits,
            density=True,
            histtype="step",
            label=name,
            color=look["color"],
            linestyle=look["linestyle"],
            linewidth=1.8,
        )
    label_axes(ax, x_label, "Density (area 1)", title)
    ax.legend(frameon=False, fontsize=9)
    return fig


def plot_scatter(
    points: np.ndarray, labels: Sequence[int], *, classes: Sequence[str], x_label: str, y_label: str, title: str = ""
) -> Figure:
    """Return points (N, 2) in the plane, each class with its own colour and marker."""
    points, labels = np.asarray(points), np.asarray(labels)
    fig, axes = figure(width=7.5, height=5.2)
    ax = axes[0, 0]
    for number, name in enumerate(classes):
        chosen = points[labels == number]
        look = style(number)
        shift = number // len(PALETTE)  # past the palette's end: the same colour, another marker
        ax.scatter(
            chosen[:, 0],
            chosen[:, 1],
            s=16,
            alpha=0.75,
            linewidths=0.3,
            edgecolors="white",
            label=name,
            color=look["color"],
            marker=style(number + 3 * shift)["marker"],
        )
    label_axes(ax, x_label, y_label, title)
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=1.6)
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
    limits: tuple[float, float] | None = None,
    width: float = 6.2,
    height: float = 5.2,
) -> Figure:
    """Return a matrix as colours with their scale in `unit`; with `form` each cell also shows its value.

    The colours (cividis) rise in lightness too, so the picture survives grey print and colour blindness.
    """
    matrix = np.asarray(matrix)
    fig, axes = figure(width=width, height=height)
    ax = axes[0, 0]
    low, high = limits or (float(np.nanmin(matrix)), float(np.nanmax(matrix)))
    picture = ax.imshow(matrix, cmap="cividis", vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    fig.colorbar(picture, ax=ax, label=unit)
    ax.grid(visible=False)
    if x_names is not None:
        short = max(map(len, x_names)) <= 3
        ax.set_xticks(
            range(len(x_names)), x_names, fontsize=8, rotation=0 if short else 45, ha="center" if short else "right"
        )
    if y_names is not None:
        ax.set_yticks(range(len(y_names)), y_names, fontsize=8)
    if form is not None:
        for (row, column), value in np.ndenumerate(matrix):
            ax.text(
                column,
                row,
                form.format(value),
                ha="center",
                va="center",
                fontsize=8,
                color="black" if value > (low + high) / 2 else "white",
            )
    label_axes(ax, x_label, y_label, title)
    return fig


def _scale(ax: Axes, log_x: int | None, log_y: int | None, xs: list[Sequence[float]]) -> None:
    """Set logarithmic axes; the x axis is ticked where something was measured, in plain numbers."""
    if log_y:
        ax.set_yscale("log", base=log_y)
        ax.yaxis.set_major_locator(LogLocator(log_y, subs=(1, 2, 5) if log_y == 10 else (1,)))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    if log_x:
        ax.set_xscale("log", base=log_x)
        ax.set_xticks(sorted({float(value) for x in xs for value in x}))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}"))
