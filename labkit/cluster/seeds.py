"""Runs that differ in their seed alone, as one row: mean, Student's 95 % interval, time, images seen."""

import math
import statistics
from collections.abc import Sequence

from labkit.intervals import mean_interval


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
    values = [row["value"] for row in done]
    found = mean_interval(values) if values else None
    return {
        "setting": setting, "runs": len(done), "of": len(group),
        "metric": next((row["metric"] for row in done), None),
        "mean": found and found.mean,
        "half": None if found is None or math.isnan(found.half_width) else found.half_width,
        "seconds": _mean([row["seconds"] for row in done]),
        "images": _mean([row.get("m.images_seen") for row in done]),
        "steps": _mean([row.get("m.budget_steps") for row in done]),
    }  # fmt: skip


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known else None
