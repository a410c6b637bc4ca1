"""The learning curves of a run as points to draw, read from its metrics.jsonl."""

from labkit.run_folder import RunFolder
from labrun.results.page import is_number

# What a fit shows, the first that it has: what one looks at first, with the training value beside it.
SHOWN = ("val_accuracy", "knn", "val_loss", "train_accuracy", "train_loss")
WIDTH, HEIGHT = 236, 76  # of the drawing area, in the units of page.j2
MOST_FITS = 6


def curves(run: RunFolder) -> list[dict]:
    """Return a drawing per metric, of every fit that has it; [] where nothing was trained.

    A drawing: metric, over ("epoch" or "step"), low, high and last (the axes), alt, and lines, each with the
    name of its fit and its points (x, y) in a box of WIDTH x HEIGHT. A fit of a single epoch shows its steps.
    """
    fits: dict[str, dict[str, list[dict]]] = {}
    for row in run.read_metrics():
        if row.get("kind") in ("epoch", "step"):
            fits.setdefault(str(row.get("fit")), {}).setdefault(row["kind"], []).append(row)
    drawings: dict[tuple[str, str], dict[str, list[tuple[float, float]]]] = {}
    for fit, kinds in fits.items():
        epochs, steps = kinds.get("epoch", []), kinds.get("step", [])
        if len(epochs) > 1 or not steps:
            metric, over, rows = next((name for name in SHOWN if name in epochs[-1]), ""), "epoch", epochs
        else:
            metric, over, rows = "loss", "step", steps
        points = [(row[over], row[metric]) for row in rows if is_number(row.get(metric)) and over in row]
        if points:
            drawings.setdefault((metric, over), {})[fit] = points
    return [_drawing(metric, over, lines) for (metric, over), lines in drawings.items()]


def _drawing(metric: str, over: str, fits: dict[str, list[tuple[float, float]]]) -> dict:
    lines = dict(list(fits.items())[:MOST_FITS])
    places, values = zip(*(point for points in lines.values() for point in points), strict=True)
    low, high, first, last = min(values), max(values), min(places), max(places)

    def scaled(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / (last - first) if last > first else 0.5
        up = (y - low) / (high - low) if high > low else 0.5
        return round(across * WIDTH, 1), round((1 - up) * HEIGHT, 1)

    ends = ", ".join(f"{fit} {points[-1][1]:.4g}" for fit, points in lines.items())
    return {
        "metric": metric.replace("_", " "),
        "over": over,
        "low": low,
        "high": high,
        "last": last,
        "alt": f"{metric.replace('_', ' ')} over {last} {over}s; at the end: {ends}.",
        "lines": [{"fit": fit, "points": [scaled(*point) for point in points]} for fit, points in lines.items()],
    }
