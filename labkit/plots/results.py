"""Results of training: learning curves of several models side by side, confusion matrices."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.plots.charts import plot_heatmap
from labkit.plots.figure import PALETTE, figure, label_axes, style


def plot_curves(
    histories: Mapping[str, Sequence[Mapping]], *, title: str = "", loss_label: str = "Cross-entropy (nats)"
) -> Figure:
    """Return loss (above) and accuracy (below) per epoch, one column per model, on shared scales.

    histories: name -> rows with `epoch` (from 1) and train_ and val_ of `loss` and `accuracy` (the latter a
    share of 1); a key that no row has is left out. Training is a dashed orange line with squares, validation
    a solid blue one with dots; the best validation accuracy is marked.
    """
    fig, axes = figure(2, len(histories), width=max(6.0, 3.2 * len(histories)), height=5.4, share_y="row")
    for column, (name, rows) in enumerate(histories.items()):
        for row, (key, scale) in enumerate((("loss", 1), ("accuracy", 100))):
            ax = axes[row, column]
            for split, number, line in (("train", 1, "--"), ("val", 0, "-")):
                kept = [(r["epoch"], scale * r[f"{split}_{key}"]) for r in rows if r.get(f"{split}_{key}") is not None]
                if kept:
                    label = "training" if split == "train" else "validation"
                    ax.plot(*zip(*kept, strict=True), label=label, **style(number, line=line))
            ax.xaxis.get_major_locator().set_params(integer=True)
        _mark_best(axes[1, column], rows)
        label_axes(axes[0, column], "", loss_label if column == 0 else "", name)
        label_axes(axes[1, column], "Epoch", "Accuracy (%)" if column == 0 else "", "")
    axes[0, -1].legend(frameon=False, fontsize=9)
    if title:
        fig.suptitle(title, fontsize=11)
    return fig


def _mark_best(ax: Axes, rows: Sequence[Mapping]) -> None:
    scored = [row for row in rows if row.get("val_accuracy") is not None]
    if scored:
        best = max(scored, key=lambda row: (row["val_accuracy"], -row["epoch"]))  # a tie: the earlier
        ax.annotate(
            f"{100 * best['val_accuracy']:.1f} %",
            (best["epoch"], 100 * best["val_accuracy"]),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=PALETTE[0],
        )


def plot_confusion(confusion: Sequence[Sequence[int]], *, classes: Sequence[str], title: str = "") -> Figure:
    """Return the confusion matrix (K, K), true class by predicted class, coloured by the share of its row.

    Up to 20 classes each cell also shows its count; beyond that only colours and names remain legible.
    """
    counts = np.asarray(confusion)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)  # an absent class: zeros
    size = max(5.2, 0.5 * len(classes) + 1.2) if len(classes) <= 20 else 9.0
    fig = plot_heatmap(
        shares,
        x_label="Predicted class",
        y_label="True class",
        title=title,
        x_names=classes,
        unit="Share of the true class (%)",
        y_names=classes,
        limits=(0, 100),
        width=size + 1.2,
        height=size,
    )
    if len(classes) <= 20:
        for (row, column), count in np.ndenumerate(counts):
            fig.axes[0].text(
                column,
                row,
                f"{count:,}",
                ha="center",
                va="center",
                fontsize=8,
                color="black" if shares[row, column] > 50 else "white",
            )
    return fig
