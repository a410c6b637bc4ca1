"""Runs that differ in their seed alone, as one row: mean, Student's 95 % interval, time, images seen."""

import statistics
from collections.abc import Sequence

# Student's t of a two-sided 95 % interval by degrees of freedom; beyond, the normal's value is near.
STUDENT = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 10: 2.23,
           12: 2.18, 15: 2.13, 20: 2.09, 30: 2.04}  # fmt: skip


def half_width(values: Sequence[float]) -> float | None:
    """Return half the 95 % interval of the mean; None for a single value: nobody knows how it varies."""
    n = len(values)
    if n < 2:
        return None
    t = next((t for degrees, t in sorted(STUDENT.items(), reverse=True) if degrees <= n - 1), 1.96)
    return t * statistics.stdev(values) / n**0.5


def over_seeds(rows: Sequence[dict]) -> list[dict]:
    """Return a row per setting, best first, of a sweep that repeats it with several seeds; [] for others.

    rows: those of `collect.rows`. A result: setting, runs (done), metric, mean, half, seconds, images, steps.
    """
    groups: dict[str, list[dict]] = {}
    for row in rows:
        groups.setdefault(row["setting"], []).append(row)
    if "" in groups or len(groups) == len(rows):
        return []
    found = [_summary(setting, group) for setting, group in groups.items()]
    return sorted(found, key=lambda one: -one["mean"] if one["mean"] is not None else float("inf"))


def _summary(setting: str, group: Sequence[dict]) -> dict:
    done = [row for row in group if row["state"] == "done" and isinstance(row["value"], int | float)]
    values = [float(row["value"]) for row in done]
    return {
        "setting": setting, "runs": len(done), "of": len(group),
        "metric": next((row["metric"] for row in done), None),
        "mean": statistics.mean(values) if values else None, "half": half_width(values),
        "seconds": _mean([row["seconds"] for row in done]),
        "images": _mean([row.get("m.images_seen") for row in done]),
        "steps": _mean([row.get("m.budget_steps") for row in done]),
    }  # fmt: skip


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known else None
