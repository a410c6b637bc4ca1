"""What a person sees while runs are at work: the current cell, the time in it, and the metric of a fit in it."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

from labkit.run_folder import RunFolder
from labrun import state
from labrun.results.collect import label, read_spec, row, sentence
from labrun.results.page import duration

QUIET_S = 9.0  # without a terminal, a line appears this often: with the time of a look, every 10 s at least
STALE_S = 10.0  # a metric that is older is shown with its age


def follow(
    runs: Sequence[RunFolder],
    *,
    active: Callable[[], bool],
    show: Literal["live", "lines", "results"],
    report: Callable[[str], None],
) -> None:
    """Show `runs` while `active()`, and the result of each once it has ended.

    show: rewrite lines in a terminal ("live"), a line for every cell that begins and every QUIET_S ("lines"), or
    nothing but the results.
    """
    shown: dict[str, tuple[Any, float]] = {}  # run -> what its last line was about, and when
    ended: set[RunFolder] = set()
    last_line = time.monotonic()  # when the last line was printed
    display: AbstractContextManager = nullcontext()
    if show == "live":
        from rich.live import Live

        display = Live(_picture(runs), refresh_per_second=4, transient=True)
    with display as live:
        while True:
            last_look = not active()
            for run in runs:
                if run in ended:
                    continue
                status, now = state.observe(run), time.monotonic()
                place, (before, when) = (status.get("cell"), status.get("step")), shown.get(run.id, (None, 0.0))
                if status["state"] not in state.OPEN:
                    ended.add(run)
                    count = f"{len(ended)}/{len(runs)}  " if len(runs) > 1 else ""
                    report(count + sentence(row(run)))
                elif show == "lines" and status["state"] == "running" and (place != before or now - when >= QUIET_S):
                    shown[run.id] = place, now
                    report("  ".join(filter(None, [run.id, cell_number(status), current_work(run, status)])))
                elif show == "lines" and now - last_line >= QUIET_S:
                    report(f"{run.id}  {status['state']}")
                else:
                    continue
                last_line = now
            if last_look or len(ended) == len(runs):
                return
            if live:
                live.update(_picture(runs))
            time.sleep(0.2)


def cell_number(status: dict[str, Any]) -> str:
    """Return `cell i/n` ("" before the first cell and after the last)."""
    inside = "cell" in status and not status.get("step")
    return f"cell {status['cell']}/{status.get('cells', '?')}" if inside else ""


def current_work(run: RunFolder, status: dict[str, Any]) -> str:
    """Return what a running run does now: the cell's heading, the time in this cell, the metric of a fit in it."""
    heading = status.get("step") or status.get("heading", "") if "cell" in status else "starting the kernel"
    since = status.get("cell_started") or status.get("started")
    seconds = duration(max(0.0, time.time() - since)) if since else ""
    return "  ".join(filter(None, [heading, seconds, last_metric(run, since or 0.0)]))


def last_metric(run: RunFolder, since: float = 0.0) -> str:
    """Return the last line of metrics.jsonl as text ("" where nothing was written after the time `since`)."""
    try:
        written = run.metrics_log.stat().st_mtime
        with open(run.metrics_log, "rb") as file:
            file.seek(max(0, run.metrics_log.stat().st_size - 8192))  # the last whole line, without the rest
            values = json.loads(file.read().split(b"\n")[-2])
    except (OSError, ValueError, IndexError):
        return ""
    if written < since:
        return ""
    where = next((f"{unit} {values[unit]}" for unit in ("epoch", "step") if unit in values), "")
    numbers = [
        f"{name} {value:.4g}"
        for name, value in values.items()
        if name not in ("epoch", "step") and isinstance(value, int | float) and not isinstance(value, bool)
    ]
    age = time.time() - written
    old = f" ({duration(age)} ago)" if since and age > STALE_S else ""
    return ", ".join(filter(None, [where, *numbers[:3]])) + old


def _picture(runs: Sequence[RunFolder]):
    """Return the live lines: one for each running run, and how many wait."""
    from rich.text import Text

    seen = [(run, state.observe(run)) for run in runs]
    lines = [
        "  ".join(filter(None, [label(read_spec(run)) or run.id, cell_number(status), current_work(run, status)]))
        for run, status in seen
        if status["state"] == "running"
    ]
    waiting = sum(status["state"] == "queued" for _, status in seen)
    lines += [f"{waiting} waiting" if len(runs) > 1 else f"{runs[0].id}  starting"] if waiting else []
    return Text("\n".join(lines), overflow="ellipsis", no_wrap=True)
