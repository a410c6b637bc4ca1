"""Runs as text: the status table, the results table, and a log as it grows."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from labkit.run_folder import STATES, RunFolder, unknown_name
from labrun import state
from labrun.follow import current_work
from labrun.results.collect import headline, tables
from labrun.results.page import duration, number

COLORS = {"done": "green", "running": "blue", "queued": "cyan", "interrupted": "yellow", "cancelled": "bright_black"}


def select(names: Sequence[str] = (), *, states: Sequence[str] = (), last: int | None = None) -> list[tuple]:
    """Return (run, status), newest first, of runs whose id holds one of `names` and that are in `states`."""
    for wanted in states:
        if wanted not in STATES:
            raise unknown_name("state", wanted, STATES)
    runs = [run for run in state.all_runs() if not names or any(name in run.id for name in names)]
    seen = [(run, state.observe(run)) for run in runs]
    return [(run, status) for run, status in seen if not states or status["state"] in states][:last]


def print_table(selected: Sequence[tuple]) -> None:
    """Print runs with their state, cell, time and latest message or metric."""
    if not selected:
        others = "No run matches; `labkit status` shows all."
        print(others if state.all_runs() else "No run yet. Start one with `labkit run 01`.")
        return
    rows = []
    for run, status in selected:
        cell = f"{status['cell']}/{status.get('cells', '?')}" if "cell" in status else ""
        latest = status.get("message")  # of what went wrong; else the current work, else the main metric
        if not latest and status["state"] == "running":
            left = f"{status['time_left']} left" if status.get("time_left") else ""
            latest = "  ".join(filter(None, [current_work(run, status), left]))
        elif not latest:
            metric, value = headline(run.read_summary(), run.read_timings())
            latest = f"{metric} {number(value)}" if metric else ""
        rows.append([run.id, status["state"], cell, duration(state.elapsed(status)), latest])
    _print(["run", "state", "cell", "time", "latest"], rows, state_column=1)


def print_results(rows: list[dict]) -> None:
    """Print the results of runs: what was varied, state, time and main metric; then the tables over seeds."""
    cells = []
    for row in rows:
        value = number(row["value"]) if row["metric"] else row["message"] or ""
        cells.append([row["id"], row["varied"], row["state"], duration(row["seconds"]), row["metric"] or "", value])
    _print(["run", "varied", "state", "time", "metric", "value"], cells, state_column=2)
    for title, means in tables(rows).items():
        print(f"\n{title}: mean and 95 % interval")
        records = []
        for one in means:
            record = {"setting": one["setting"], "runs": f"{one['runs']} of {one['of']}", "metric": one["metric"] or ""}
            record |= {"mean": one["mean"], "+-": one["half"], "time of a run": duration(one["seconds"])}
            records.append(record | {"images seen": one["images"], "steps allowed": one["steps"]})
        print_records(records)


def print_records(records: Iterable[dict]) -> None:
    """Print dicts that share their keys as a table; thousands in groups of three, other numbers to four digits."""
    records = list(records)
    rows = [[f"{one:,}" if type(one) is int else number(one) for one in record.values()] for record in records]
    _print(list(records[0]), rows)


def read_log(run: RunFolder, *, lines: int | None = None, follow: bool = False) -> Iterator[str]:
    """Yield a run's log; with `follow` also what is added to it, until the run has ended."""
    position = 0  # in bytes, after the last complete line
    while True:
        ended = not follow or state.observe(run)["state"] not in state.OPEN
        data = b""
        with suppress(FileNotFoundError), open(run.log_file, "rb") as file:
            file.seek(position)
            data = file.read()
        text = data[: data.rfind(b"\n") + 1].decode("utf-8", "surrogateescape")
        if position == 0 and lines is not None:
            yield "".join(text.splitlines(keepends=True)[-lines:] if lines else [])
        else:
            yield text
        position += data.rfind(b"\n") + 1
        if ended:
            return
        time.sleep(0.3)


def _print(columns: Sequence[str], rows: Sequence[Sequence[str]], *, state_column: int | None = None) -> None:
    """Print a table: colored and folded in a terminal; elsewhere every word whole, nothing folded."""
    if not sys.stdout.isatty():
        widths = [max(len(str(cell)) for cell in column) for column in zip(columns, *rows, strict=True)]
        for row in [columns, *rows]:
            print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        cells = [Text(str(cell)) for cell in row]
        if state_column is not None:
            cells[state_column].stylize(COLORS.get(row[state_column], "red"))
        table.add_row(*cells)
    Console().print(table)
