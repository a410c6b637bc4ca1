"""Runs that differ in their seed alone, as one row: mean, Student's 95 % interval, time, images seen.

Two tables are made of such rows: the settings of a sweep, and the modes of the SimCLR lab under one budget,
however their runs were started.
"""

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
    return _best_first([_summary(setting, group) for setting, group in groups.items()])


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
        modes = list(dict.fromkeys(mode for mode, _ in family))
        if len(modes) > 1:
            names = [notebook, *(f"{name}={value}" for name, value in shared if value not in ("", 0))]
            found = [_summary(mode, [row for point, row in family.items() if point[0] == mode]) for mode in modes]
            tables[f"Modes compared: {', '.join(names)}"] = _best_first(found)
    return tables


def _best_first(found: list[dict]) -> list[dict]:
    return sorted(found, key=lambda one: -one["mean"] if one["mean"] is not None else float("inf"))


def _summary(setting: str, group: Sequence[dict]) -> dict:
    done = [row for row in group if row["state"] == "done" and isinstance(row["value"], int | float)]
    values = [row["value"] for row in done]
    found = mean_interval(values) if values else None
    return {
        "setting": setting,
        "runs": len(done),
        "of": len(group),
        "metric": next((row["metric"] for row in done), None),
        "mean": found and found.mean,
        "half": None if found is None or math.isnan(found.half_width) else found.half_width,
        "seconds": _mean([row["seconds"] for row in done]),
        "images": _mean([row.get("m.images_seen") for row in done]),
        "steps": _mean([row.get("m.budget_steps") for row in done]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known else None
