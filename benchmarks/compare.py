"""Contenders beside each other: interleaved rounds in one process, medians, and ratios to a peer."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec


@dataclass(frozen=True)
class Contender:
    """One way to do a job. `run` does one round of `amount` images, views or steps; None: it cannot run."""

    name: str
    run: Callable[[], object] | None
    amount: float = 1.0
    why_not: str = ""  # where run is None
    extra: dict = field(default_factory=dict)  # further columns of its row: accuracy, peak memory, ...


@dataclass(frozen=True)
class Section:
    """One table of the results: rows as dicts with the same keys, and what a reader must know beside it."""

    key: str
    title: str
    rows: list[dict]
    notes: list[str]


def installed(package: str) -> bool:
    return find_spec(package) is not None


def missing(name: str, package: str) -> Contender:
    """Return the contender of a peer that is not installed: its row says so instead of a figure."""
    return Contender(name, None, why_not=f"not measured: {package} is not installed (pip install -e .[bench])")


def interleave(contenders: Sequence[Contender], *, repeats: int = 7, warmup: int = 1) -> dict[str, list[float]]:
    """Return the seconds of each contender's rounds. Rounds alternate, so that a change of the machine's mood
    meets all alike; each round begins with another contender, so that none always follows the same one."""
    runners = [c for c in contenders if c.run is not None]
    for contender in runners:
        for _ in range(warmup):
            contender.run()
    seconds = {c.name: [] for c in runners}
    for number in range(repeats):
        first = number % max(1, len(runners))
        for contender in runners[first:] + runners[:first]:
            began = time.perf_counter()
            contender.run()
            seconds[contender.name].append(time.perf_counter() - began)
    return seconds


def table(
    contenders: Sequence[Contender], seconds: dict[str, list[float]], *, unit: str, against: str, places: int = 0
) -> list[dict]:
    """Return a row per contender: the median rate in `unit` with its quartiles, and how often the rate of
    `against` it is."""
    rates = {c.name: sorted(c.amount / s for s in seconds[c.name]) for c in contenders if c.name in seconds}
    rows = []
    for contender in contenders:
        if contender.name not in rates:
            rows.append({"": contender.name, unit: contender.why_not} | contender.extra)
            continue
        rate = rates[contender.name]
        low, high = rate[len(rate) // 4], rate[-1 - len(rate) // 4]
        ratio = statistics.median(rate) / statistics.median(rates[against]) if against in rates else None
        rows.append(
            {
                "": contender.name,
                unit: round(statistics.median(rate), places or None),
                "quartiles": f"{low:,.{places}f} to {high:,.{places}f}",
                "ratio": None if ratio is None else round(ratio, 2),
            }
            | contender.extra
        )
    return rows
