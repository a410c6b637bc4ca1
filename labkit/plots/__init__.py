"""Figures of the course: drawn with labels and units, saved in the run, shown with alt text."""

from labkit.plots.charts import (
    plot_bars,
    plot_confusion,
    plot_curves,
    plot_groups,
    plot_heatmap,
    plot_histogram,
    plot_lines,
)
from labkit.plots.figure import PALETTE, figure, show, style
from labkit.plots.images import plot_class_rows, plot_images, plot_pairs, plot_predictions

__all__ = [
    "PALETTE",
    "figure",
    "plot_bars",
    "plot_class_rows",
    "plot_confusion",
    "plot_curves",
    "plot_groups",
    "plot_heatmap",
    "plot_histogram",
    "plot_images",
    "plot_lines",
    "plot_pairs",
    "plot_predictions",
    "show",
    "style",
]
