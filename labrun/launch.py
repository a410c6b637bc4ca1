"""Starting runs for a person: in the foreground with progress, or in the background; signals handed on."""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from labkit.run_folder import LabError, RunFolder
from labrun import follow
from labrun.local import LocalExecutor
from labrun.results import collect
from labrun.runner.environment import usable_cores
from labrun.spec import RunSpec
from labrun.state import RESUMABLE, is_interactive, never_sent, observe

PAGE_S = 10.0  # how often the results page is written while runs are at work


def start(runs: Sequence[RunFolder], *, jobs: int = 1, background: bool = False) -> int:
    """Start runs; in the foreground show them until they end. Returns the highest of their exit codes."""
    process = LocalExecutor().submit(runs, jobs=jobs)
    for run in runs:
        print(f"{run.id}  {'in the background: ' if background else ''}{_short(run.path)}", flush=True)
    if background:
        return 0
    with _forwarded(process), _page_kept_fresh():
        follow.follow(runs, process=process, terminal=sys.stdout.isatty(), say=_say)
    for run in runs:
        _say(collect.sentence(collect.row(run)))
    return max(_exit_code(run) for run in runs)


def share_of_cores(jobs: int) -> int | None:
    """Return the threads of each of `jobs` runs at the same time (None: a single one has all cores)."""
    return max(1, usable_cores() // jobs) if jobs > 1 else None


def new_sweep(
    notebook: str | None,
    grid: Sequence[str],
    parameters: Sequence[str],
    *,
    sharing: int | None,
    threads: int | None = None,
    **options,
) -> list[RunSpec]:
    """Return a new sweep from what was typed (`lr=0.1,0.2` and `seed=1`); nothing is written yet.

    sharing: how many runs share the cores of this machine; None: each has its own, as on a cluster.
    """
    from labrun import sweeps
    from labrun.parameters import assignments, grid_of

    if not notebook:
        raise LabError("Name the notebook to sweep over, for example `labkit sweep train -g lr=0.1,0.01`.")
    if not grid:
        raise LabError("A sweep needs a list of values for at least one parameter, for example -g lr=0.1,0.2.")
    if threads is None and sharing:
        threads = max(1, usable_cores() // sharing)
    return sweeps.named(notebook, grid_of(grid), threads=threads, parameters=assignments(parameters), **options)


def old_sweep(sweep: str, **given) -> list[RunFolder]:
    """Return what is not done of a sweep. Raises LabError where `given` holds any wish for a new one."""
    from labrun.state import children

    if any(value not in (None, ()) for value in given.values()):
        raise LabError("--failed sends runs again as they were: leave out the notebook and its options.")
    return unfinished(children(sweep))


def unfinished(runs: Sequence[RunFolder]) -> list[RunFolder]:
    """Return those that can be sent again. Raises LabError where that is none of them."""
    states = [observe(run)["state"] for run in runs]
    again = [run for run, state in zip(runs, states, strict=True) if state in RESUMABLE or never_sent(run)]
    if any(map(is_interactive, again)):
        raise LabError("An interactive session cannot be resumed; run the notebook again.")
    if not again:
        told = (
            f"all {len(runs)} are done"
            if len(runs) > 1 and set(states) == {"done"}
            else ", ".join(f"{run.id} is {state}" for run, state in zip(runs, states, strict=True))
        )
        raise LabError(f"There is nothing to send again: {told}.")
    return again


def _exit_code(run: RunFolder) -> int:
    """Return the code on record, telling what is behind it; a run that left no word has died."""
    status = observe(run)
    code = status.get("exit_code", 70 if status["state"] == "died" else 0)
    if code:
        where = f' under "{status["heading"]}"' if status.get("heading") and status.get("cell") else ""
        print(
            f"labkit: {run.id} {status['state']}{where}. {status.get('message', '')}\nThe log: labkit logs {run.id}",
            file=sys.stderr,
        )
    return code


@contextmanager
def _forwarded(process):
    """Hand on Ctrl-C, TERM and USR1 to the background process, which lives in a session of its own."""
    asked = []

    def hand_on(number, _):
        if number == signal.SIGINT:
            print(
                "\nEnding it now." if asked else "\nAsked to save and stop; once more ends it at once.", file=sys.stderr
            )
        asked.extend([number] if number != signal.SIGUSR1 else [])
        process.send_signal(signal.SIGTERM if number == signal.SIGINT else number)

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _page_kept_fresh():
    """Write the results page now, every 10 s (more seldom where that takes long), and at the end."""
    ended = threading.Event()

    def write() -> None:
        pause = 0.0
        while not ended.wait(pause):
            started = time.monotonic()
            with suppress(LabError):  # at the end the same mistake is shown
                collect.write_index()
            pause = max(PAGE_S, 20 * (time.monotonic() - started))

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()
        collect.write_index()


def _say(text: str) -> None:
    print(text, flush=True)


def _short(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
