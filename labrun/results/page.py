"""The results page: one HTML file of all runs that works from file://, without a network."""

import time
from collections import Counter
from pathlib import Path
from typing import Any, TypeGuard

from labkit.run_folder import RunFolder
from labrun.results.seeds import over_modes, over_seeds

WORDS = {
    "done": "✓ done",
    "running": "▶ running",
    "queued": "… queued",
    "failed": "✗ failed",
    "died": "✗ died",
    "timeout": "✗ timeout",
    "interrupted": "‖ interrupted",
    "cancelled": "– cancelled",
}
SHOWN_FIGURES = 6
RELOAD_S = 10  # while a run is open
BAR = 180  # width in pixels of the longest bar
# What the curve of a fit shows, the first that it has: what one looks at first.
CURVES = ("val_accuracy", "knn", "val_loss", "train_accuracy", "train_loss")
WIDTH, HEIGHT = 236, 76  # of a drawing of curves, in the units of page.j2
MOST_FITS = 6


def page(entries: list[dict]) -> str:
    """Return the page of `entries`, newest first: rows of `collect` with curves, figures, files and title."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(duration=duration, number=number, bar=_bar)
    environment.filters["day"] = lambda at: time.strftime("%d %b %Y, %H:%M", time.localtime(at)) if at else ""
    counts = Counter(entry["state"] for entry in entries)
    return environment.get_template("page.j2").render(
        cards=_cards(entries),
        counts={state: counts[state] for state in WORDS if counts[state]},
        words=WORDS,
        shown=SHOWN_FIGURES,
        reload_s=RELOAD_S if counts["running"] or counts["queued"] else None,
        written=time.strftime("%Y-%m-%d %H:%M:%S"),
    )


def duration(seconds: float | None) -> str:
    """Return a time as one reads it: 8.1 s, 3 min 20 s, 2 h 5 min ("" where it never started)."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: object) -> str:
    """Return a metric with four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


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
            metric, over, rows = next((name for name in CURVES if name in epochs[-1]), ""), "epoch", epochs
        else:
            metric, over, rows = "loss", "step", steps
        points = [(row[over], row[metric]) for row in rows if is_number(row.get(metric)) and is_number(row.get(over))]
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


def _cards(entries: list[dict]) -> list[dict]:
    """Return what the page shows, in its order: comparisons of modes, then runs and sweeps."""
    ids = {entry["id"] for entry in entries}
    sweeps: dict[str, list[dict]] = {}
    for entry in sorted(entries, key=lambda entry: (entry["created"] or 0, entry["id"])):
        sweeps.setdefault(entry["parent"] or "", []).append(entry)
    cards: list[dict[str, Any]] = [
        {"title": title, "means": means, "first": "Mode"} for title, means in over_modes(entries).items()
    ]
    for entry in entries:
        parent = entry["parent"]
        if not parent:
            runs = sweeps.get(entry["id"], [])
            cards.append(entry | {"runs": runs, "means": over_seeds(runs)})
        elif parent not in ids and parent in sweeps:
            runs = sweeps.pop(parent)
            created = min(run["created"] or 0 for run in runs)
            title = f"Sweep over {runs[0]['title']}"
            cards.append({"id": parent, "title": title, "created": created, "runs": runs, "means": over_seeds(runs)})
    return cards


def _bar(value: object, others: list[object]) -> float:
    """Return the length in pixels of a bar for `value` where the largest of `others` gets BAR (0: no number)."""
    widest = max((abs(one) for one in others if is_number(one)), default=0)
    return round(BAR * min(max(value, 0) / widest, 1), 1) if is_number(value) and widest else 0.0
