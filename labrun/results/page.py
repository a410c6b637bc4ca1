"""The results page: one HTML file of all runs that works from file://, without a network."""

import time
from pathlib import Path
from typing import Any, TypeGuard

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


def page(entries: list[dict]) -> str:
    """Return the page of `entries`, newest first: rows of `collect` with curves, figures, files and title."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(duration=duration, number=number, day=_day, bar=_bar)
    counts = {state: sum(entry["state"] == state for entry in entries) for state in WORDS}
    return environment.get_template("page.j2").render(
        cards=_cards(entries),
        counts={state: count for state, count in counts.items() if count},
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


def _day(created: float | None) -> str:
    return time.strftime("%d %b %Y, %H:%M", time.localtime(created)) if created else ""
