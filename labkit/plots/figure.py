"""The canvas: one palette, one look, and the one way a figure is saved in the run and shown in a notebook."""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from labkit.run_folder import LabError, RunFolder, atomic_write, current_run

# Okabe and Ito (2008), chosen to stay apart under every common color blindness; yellow is left out, because
# it is too pale for lines on white. Lines also differ in marker, so that no figure rests on color alone.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK, FAINT = "#222222", "#DDDDDD"
DOTS_PER_INCH = 144
SHOWN_PIXELS_PER_INCH = 96  # shown smaller than stored, so that a figure stays sharp when enlarged


def style(number: int, *, line: str = "-") -> dict:
    """Return color, marker and line style of the `number`-th series; they repeat only after 8 series."""
    place = number % len(PALETTE)
    return {"color": PALETTE[place], "marker": MARKERS[place], "linestyle": line, "markersize": 5, "linewidth": 1.8}


def figure(
    rows: int = 1,
    columns: int = 1,
    *,
    width: float = 7.0,
    height: float = 4.0,
    share_y: bool = False,
    plain: bool = False,
) -> tuple[Figure, np.ndarray]:
    """Return a figure of `width` x `height` inches and its (rows, columns) array of axes.

    share_y: one scale for the axes of a row. plain: axes for pictures, without frame, ticks and grid. No pyplot:
    nothing is kept alive or shown twice.
    """
    fig = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(fig)
    axes = fig.subplots(rows, columns, squeeze=False, sharey="row" if share_y else False)
    for ax in axes.flat:
        if plain:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        else:
            ax.spines[["top", "right"]].set_visible(False)
            ax.grid(color=FAINT, linewidth=0.8)
            ax.set_axisbelow(True)
            ax.tick_params(colors=INK, labelsize=9)
    return fig, axes


def label_axes(ax: Axes, x_label: str, y_label: str, title: str = "") -> None:
    """Name both axes (with units) and, where given, the picture."""
    ax.set_xlabel(x_label, color=INK)
    ax.set_ylabel(y_label, color=INK)
    if title:
        ax.set_title(title, fontsize=11, color=INK, loc="left")


def show(fig: Figure, name: str, *, alt: str, run: RunFolder | None = None) -> None:
    """Save the figure as `figures/<name>.png` in the run and display it, in a notebook, with its alt text.

    alt: one or two sentences that describe what is seen for a reader who cannot see it; required, and stored in
    the file too (PNG keyword "Description"). run: default the current run.
    Raises LabError where the name is no plain file name or the alt text is missing.
    """
    from IPython import get_ipython
    from IPython.display import display

    if not name or not all(letter.isalnum() or letter in "-_" for letter in name):
        raise LabError(f"{name!r} cannot name a figure: use letters, digits, '-' and '_' only.")
    if len(alt.split()) < 3:
        raise LabError(f"Figure {name!r} has the alt text {alt!r}: describe what is seen in a sentence.")
    folder = (run or current_run()).figures
    folder.mkdir(parents=True, exist_ok=True)
    for text in fig.findobj(Text):
        text.set_parse_math(False)  # a class may be called $10_$20
    buffer = io.BytesIO()  # the same bytes for the same figure: no date and no version of matplotlib in them
    description = alt.encode("latin-1", "replace").decode("latin-1")  # all that a PNG text chunk can hold
    fig.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Description": description, "Software": None})
    png = buffer.getvalue()
    atomic_write(folder / f"{name}.png", png)
    if get_ipython() is not None:  # in a script the file is enough
        look = {"alt": alt, "width": round(fig.get_figwidth() * SHOWN_PIXELS_PER_INCH)}
        display({"image/png": png, "text/plain": alt}, raw=True, metadata={"image/png": look})
