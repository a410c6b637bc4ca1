"""What a person sees while runs are at work: cell by cell, with the latest metric."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from labkit.run_folder import RunFolder
from labrun import state
from labrun.results import collect
from labrun.results.page import duration

QUIET_S = 30.0  # without a terminal, a run that is still in the same cell says so this often


def follow(runs: Sequence[RunFolder], *, process, terminal: bool, say: Callable[[str], None]) -> None:
    """Show `runs` until their background `process` (a Popen) has ended.

    terminal: rewrite one line in place; else print a line for every cell that begins.
    """
    if terminal:
        _live(runs, process, say)
        return
    told: dict[str, tuple] = {}
    while True:
        ended = process.poll() is not None
        for run in runs:
            _tell_change(run, told, say)
        if ended:
            return
        time.sleep(0.2)


def progress(run: RunFolder) -> str:
    """Return one line on a run: state, cell i/n and its heading, time, latest metric."""
    status = state.observe(run)
    cell = f"cell {status['cell']}/{status['cells']}" if "cell" in status and "cells" in status else ""
    heading = status.get("heading", "") if status["state"] == "running" else ""
    if status["state"] == "running" and not cell:
        heading = "starting its kernel"
    parts = [status["state"], cell, heading, duration(state.elapsed(status)), last_metric(run)]
    return "  ".join(part for part in parts if part)


def last_metric(run: RunFolder) -> str:
    """Return the last line of metrics.jsonl in words ("" where there is none)."""
    try:
        row = json.loads(_last_line(run.metrics_log))
    except (OSError, ValueError):
        return ""
    where = f"epoch {row['epoch']}" if "epoch" in row else f"step {row['step']}" if "step" in row else ""
    skipped = ("fit", "kind", "epoch", "step")
    values = [
        f"{name} {value:.4g}"
        for name, value in row.items()
        if name not in skipped and isinstance(value, int | float) and not isinstance(value, bool)
    ]
    return ", ".join(filter(None, [where, *values[:3]]))


def _last_line(path: Path) -> bytes:
    """Return the last whole line of a file without reading the rest."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 8192))
        lines = file.read().split(b"\n")
    return lines[-2] if len(lines) > 1 else b""


def _tell_change(run: RunFolder, told: dict[str, tuple], say: Callable[[str], None]) -> None:
    status = run.read_status()
    known = (status.get("state"), status.get("cell"))
    before, when = told.get(run.id, (None, 0.0))
    if known != before or (status.get("state") == "running" and time.monotonic() - when > QUIET_S):
        told[run.id] = (known, time.monotonic())
        if status.get("state") == "running":
            say(f"{run.id}  {progress(run)}")


def _live(runs: Sequence[RunFolder], process, say: Callable[[str], None]) -> None:
    from rich.live import Live
    from rich.text import Text

    def picture() -> Text:
        lines = [f"{collect.label(run.read_spec()) or run.id}  {progress(run)}" for run in runs]
        return Text("\n".join(lines), overflow="ellipsis", no_wrap=True)

    with Live(picture(), refresh_per_second=4, transient=True) as live:
        while process.poll() is None:
            time.sleep(0.2)
            live.update(picture())
