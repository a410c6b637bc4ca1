"""Starting runs for a person: in the foreground with progress, or in the background; signals are forwarded."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from labkit.run_folder import LabError, RunFolder
from labrun.follow import follow
from labrun.local import LocalExecutor
from labrun.results import collect
from labrun.state import RESUMABLE, is_interactive, never_submitted, observe

PAGE_S = 10.0  # how often the results page is written while runs are at work

PAGE_S = 10.0  # how often the results page is written while runs are at work


def start(runs: Sequence[RunFolder], *, jobs: int = 1, background: bool = False) -> int:
    """Start runs; in the foreground show them until they end. Returns the highest of their exit codes."""
    process = LocalExecutor().submit(runs, jobs=jobs)
    for run in runs:
        path = os.path.relpath(run) if run.path.is_relative_to(Path.cwd()) else str(run.path)
        print(f"{run.id}  {'in the background: ' if background else ''}{path}", flush=True)
    if background:
        return 0
    with _forwarded_signals(process), _page_kept_fresh():
        show = "live" if sys.stdout.isatty() else "lines"
        follow(runs, active=lambda: process.poll() is None, show=show, report=lambda line: print(line, flush=True))
        process.wait()
    return max(_exit_code(run) for run in runs)


def unfinished(runs: Sequence[RunFolder]) -> list[RunFolder]:
    """Return those that can be started again. Raises LabError where that is none of them."""
    states = [observe(run)["state"] for run in runs]
    again = [run for run, state in zip(runs, states, strict=True) if state in RESUMABLE or never_submitted(run)]
    if any(map(is_interactive, again)):
        raise LabError("An interactive session cannot be resumed; run the notebook again.")
    if not again:
        all_done = len(runs) > 1 and set(states) == {"done"}
        each = ", ".join(f"{run.id} is {state}" for run, state in zip(runs, states, strict=True))
        raise LabError(f"There is nothing to resume: {f'all {len(runs)} are done' if all_done else each}.")
    return again


def _exit_code(run: RunFolder) -> int:
    """Return a run's exit code, and print what went wrong; a run without a record has died."""
    status = observe(run)
    code = status.get("exit_code", 70 if status["state"] == "died" else 0)
    if code:
        where = f' under "{status["heading"]}"' if status.get("heading") and status.get("cell") else ""
        print(f"labkit: {run.id} {status['state']}{where}. {status.get('message', '')}", file=sys.stderr)
        print(f"The log: labkit logs {run.id}", file=sys.stderr)
    return code


@contextmanager
def _forwarded_signals(process: subprocess.Popen) -> Iterator[None]:
    """Forward Ctrl-C, TERM and USR1 to the background process, which lives in a session of its own."""
    seen = []

    def forward(number, _):
        if number == signal.SIGINT:
            stopping = "Ending at once." if seen else "Saving, then stopping; press Ctrl-C again to end at once."
            print(f"\n{stopping}", file=sys.stderr)
        seen.extend([number] if number != signal.SIGUSR1 else [])
        process.send_signal(signal.SIGTERM if number == signal.SIGINT else number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _page_kept_fresh() -> Iterator[None]:
    """Write the results page now, every 10 s (more seldom where that takes long), and at the end."""
    ended = threading.Event()

    def write() -> None:
        pause = 0.0
        while not ended.wait(pause):
            started = time.monotonic()
            with suppress(LabError):  # the write at the end raises the same error
                collect.refresh_page()
            pause = max(PAGE_S, 20 * (time.monotonic() - started))

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()
        collect.refresh_page()
