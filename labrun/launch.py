"""Starting runs for a person: here, with progress or in the background, or as Slurm jobs; or only showing it."""

import functools
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from labkit.run_folder import LabError, RunFolder, runs_dir
from labrun.state import RESUMABLE, is_interactive, observe

if TYPE_CHECKING:
    from labrun.slurm.executor import SlurmExecutor
    from labrun.spec import RunSpec

PAGE_S = 10.0  # how often the results page is written while runs are at work


@dataclass(frozen=True)
class Place:
    """Where runs shall take place, as typed. `slurm` is None where no option sets it."""

    slurm: bool | None
    site: str | None
    fields: dict[str, Any]
    after: tuple[str, ...] = ()
    dry_run: bool = False

    def executor(self, run: RunFolder | None = None) -> "SlurmExecutor":
        """Return the Slurm executor of this place: without a typed site that of `run`, but for what was typed."""
        from labrun.slurm.executor import SlurmExecutor, executor_of
        from labrun.slurm.site_config import load_site

        before = getattr(executor_of(run), "site", None) if run and not self.site else None
        typed = {name: value for name, value in self.fields.items() if value is not None}
        return SlurmExecutor(before.but(**typed) if before else load_site(self.site, **typed))


def begin(
    specs: Sequence["RunSpec"], place: Place, *, jobs: int = 0, background: bool = False, collect: bool = False
) -> int:
    """Freeze and start new runs; a dry run only prints what would be started. Returns the exit code.

    jobs: how many may run at a time (0: one here, all on a cluster). collect: a job makes the results page at the end.
    """
    from labrun.slurm.squeue import read_job_record
    from labrun.spec import freeze, fresh_id

    executor = place.executor() if place.slurm else None
    if place.dry_run:
        runs = [RunFolder(runs_dir() / (spec.name or fresh_id(Path(spec.notebook).stem))) for spec in specs]
    else:
        if executor:
            executor.check()  # before a folder is made
            executor.jobs_of(place.after)
        runs = [freeze(spec) for spec in specs]
    if not executor:
        return _start(runs, jobs=jobs or 1, background=background, dry_run=place.dry_run)
    try:
        return _submit(runs, executor, place, jobs=jobs, collect=collect)
    except LabError:
        for run in runs:  # refused by Slurm; where its reply was lost they stay, since their job may be there
            if run.read_status().get("state") == "failed" and not read_job_record(run).get("job"):
                shutil.rmtree(run.path, ignore_errors=True)
        raise


def again(runs: Sequence[RunFolder], place: Place, *, jobs: int = 0, background: bool = False) -> int:
    """Start those of `runs` that are not done once more: at the place that was typed, else each where it was.

    Returns the exit code. Raises LabError where none can be started, or where they were at different places.
    """
    runs = unfinished(runs)
    by_slurm = [run.read_status().get("executor") == "slurm" for run in runs]
    if place.slurm is None and len(set(by_slurm)) > 1:
        raise LabError("Some of these ran here and some on a cluster: add --executor local or slurm.")
    if not (any(by_slurm) if place.slurm is None else place.slurm):
        return _start(runs, jobs=jobs or 1, background=background, dry_run=place.dry_run)
    by_site: dict[str, tuple[Any, list[RunFolder]]] = {}
    for run in runs:
        executor = place.executor(run)
        by_site.setdefault(executor.site.model_dump_json(), (executor, []))[1].append(run)
    for executor, some in by_site.values():
        _submit(some, executor, place, jobs=jobs)
    return 0


def _submit(
    runs: Sequence[RunFolder], executor: "SlurmExecutor", place: Place, *, jobs: int, collect: bool = False
) -> int:
    """Submit runs and print their jobs, or with a dry run the script."""
    if place.dry_run:
        print(executor.script(runs, jobs=jobs, after=executor.jobs_of(place.after)), end="")
        return 0
    ids = executor.submit(runs, jobs=jobs, after=place.after)
    for run, job in zip(runs, ids, strict=True):
        print(f"{run.id}  job {job}")
    if collect:
        print(f"The results page is made when all have ended: job {executor.collect_after(ids)}")
    print(f"Submitted to {executor.site.name}. labkit status shows the state, labkit logs -f {runs[0].id} the log.")
    return 0


def _start(runs: Sequence[RunFolder], *, jobs: int, background: bool, dry_run: bool) -> int:
    """Start runs here; in the foreground show them until they end. Returns the highest of their exit codes."""
    if dry_run:
        for run in runs:
            print(f"{run.id}  would {'resume' if run.path.exists() else 'run'} on this machine")
        return 0
    from labrun.follow import follow
    from labrun.local import LocalExecutor
    from labrun.results import collect

    process = LocalExecutor().submit(runs, jobs=jobs)
    for run in runs:
        path = os.path.relpath(run) if run.path.is_relative_to(Path.cwd()) else str(run.path)
        print(f"{run.id}  {'in the background: ' if background else ''}{path}", flush=True)
    if background:
        return 0
    show: Literal["live", "lines"] = "live" if sys.stdout.isatty() else "lines"
    # Ctrl-C, TERM and USR1 are forwarded: the background process lives in a session of its own
    seen: list[int] = []

    def forward(number, _):
        if number == signal.SIGINT:
            stopping = "Ending at once." if seen else "Saving, then stopping; press Ctrl-C again to end at once."
            print(f"\n{stopping}", file=sys.stderr)
        seen.extend([number] if number != signal.SIGUSR1 else [])
        process.send_signal(signal.SIGTERM if number == signal.SIGINT else number)

    written = float("-inf")

    def active() -> bool:
        nonlocal written
        if time.monotonic() - written > PAGE_S:  # the results page is there from the start, and fills
            with suppress(LabError):  # a full disk must not end the watching; the write at the end raises it
                collect.refresh_page()
            written = time.monotonic()
        return process.poll() is None

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    try:
        follow(runs, active=active, show=show, report=functools.partial(print, flush=True))
        process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    collect.refresh_page()
    codes = []
    for run in runs:
        status = observe(run)  # a run without a record has died
        codes.append(status.get("exit_code", 70 if status["state"] == "died" else 0))
        if codes[-1]:
            where = f' under "{status["heading"]}"' if status.get("heading") and status.get("cell") else ""
            print(f"labkit: {run.id} {status['state']}{where}. {status.get('message', '')}", file=sys.stderr)
            print(f"The log: labkit logs {run.id}", file=sys.stderr)
    return max(codes)


def unfinished(runs: Sequence[RunFolder]) -> list[RunFolder]:
    """Return those that can be started again. Raises LabError where that is none of them."""
    from labrun.slurm.squeue import read_job_record

    states, startable = [], []
    for run in runs:
        states.append(observe(run)["state"])
        status = run.read_status()
        waits = status.get("executor") == "slurm" and status.get("state") == "queued"
        if states[-1] in RESUMABLE or (waits and not read_job_record(run).get("job")):  # sbatch may have failed
            startable.append(run)
    if any(map(is_interactive, startable)):
        raise LabError("An interactive session cannot be resumed; run the notebook again.")
    if not startable:
        all_done = len(runs) > 1 and set(states) == {"done"}
        each = ", ".join(f"{run.id} is {state}" for run, state in zip(runs, states, strict=True))
        raise LabError(f"There is nothing to resume: {f'all {len(runs)} are done' if all_done else each}.")
    return startable
