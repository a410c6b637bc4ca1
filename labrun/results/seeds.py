"""Runs that differ in their seed alone, as one row: mean, Student's 95 % interval, time, images seen."""

import math
import statistics
from collections.abc import Sequence

from labkit.evaluate.intervals import mean_interval


def over_seeds(rows: Sequence[dict]) -> list[dict]:
    """Return a row per setting, best first, of a sweep that repeats settings with several seeds; [] for others.

    rows: those of `collect.rows`. A result: setting, runs (done), metric, mean, half, seconds, images, steps.
    """
    groups: dict[str, list[dict]] = {}
    for row in rows:
        groups.setdefault(row["setting"], []).append(row)
    if "" in groups or len(groups) == len(rows):
        return []
    return _best_first(groups)


def over_modes(rows: Sequence[dict]) -> dict[str, list[dict]]:
    """Return title -> a row per mode, best first, for every notebook and budget that two modes or more share.

    rows: those of `collect.rows`, newest first. Of one mode and seed the newest run counts, a finished one
    before others. The budget is every parameter but mode and seed.
    """
    families: dict[tuple, dict[tuple, dict]] = {}
    for row in sorted(rows, key=lambda row: row["state"] != "done"):  # stable: newest first in each half
        if "p.mode" in row:
            budget = {name[2:]: value for name, value in row.items() if name[:2] == "p."}
            point = (budget.pop("mode"), budget.pop("seed", None))
            families.setdefault((row["notebook"], *budget.items()), {}).setdefault(point, row)
    tables = {}
    for (notebook, *shared), family in families.items():
        modes: dict[str, list[dict]] = {}
        for (mode, _), row in family.items():
            modes.setdefault(mode, []).append(row)
        if len(modes) > 1:
            names = [notebook, *(f"{name}={value}" for name, value in shared if value not in ("", 0))]
            tables[f"Modes compared: {', '.join(names)}"] = _best_first(modes)
    return tables


def _best_first(groups: dict[str, list[dict]]) -> list[dict]:
    """Return setting -> runs as a row each: the means over the runs that are done."""
    found: list[dict] = []
    for setting, group in groups.items():
        done = [row for row in group if row["state"] == "done" and isinstance(row["value"], int | float)]
        mean = mean_interval([row["value"] for row in done]) if done else None
        summary = {
            "setting": setting,
            "runs": len(done),
            "of": len(group),
            "metric": done[0]["metric"] if done else None,
            "mean": mean and mean.mean,
            "half": None if mean is None or math.isnan(mean.half_width) else mean.half_width,
        }
        for name, column in {"seconds": "seconds", "images": "m.images_seen", "steps": "m.budget_steps"}.items():
            values = [row[column] for row in done if row.get(column) is not None]
            summary[name] = statistics.mean(values) if values else None
        found.append(summary)
    return sorted(found, key=lambda one: -one["mean"] if one["mean"] is not None else float("inf"))
