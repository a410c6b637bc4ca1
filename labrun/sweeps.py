"""A sweep: a grid of parameters becomes a frozen list of runs, executed a few at a time."""

import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit.run_folder import Interrupted, LabError, RunFolder, runs_dir
from labrun import state
from labrun.local import LocalExecutor
from labrun.results.collect import row, sentence
from labrun.runner.environment import usable_cores
from labrun.spec import RunSpec, find_notebook, freeze, fresh_id, make_spec

Grid = Mapping[str, Sequence[Any]]


def expand(grid: Grid) -> list[dict[str, Any]]:
    """Return every combination of the grid's values, the last name varying fastest."""
    empty = [name for name, values in grid.items() if isinstance(values, str) or not len(values)]
    if empty or not grid:
        missing = " and ".join(empty) or "at least one parameter"
        raise LabError(f'A sweep needs a list of values for {missing}, for example {{"lr": [0.1, 0.01]}}.')
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def plan(
    notebook: str | Path,
    grid: Grid,
    *,
    parameters: Mapping[str, Any] | None = None,
    parent: str | None = None,
    **fields: Any,
) -> list[RunSpec]:
    """Return the specification of every point of the grid; a wrong one is told before anything starts."""
    twice = sorted(set(grid) & set(parameters or {}))
    if twice:
        raise LabError(f"{', '.join(twice)} is both in the grid and among the fixed parameters: keep one.")
    points = expand(grid)
    return [
        make_spec(notebook, parameters=dict(parameters or {}) | point, parent=parent, varied=list(grid), **fields)
        for point in points
    ]


def create(notebook: str | Path, grid: Grid, **options: Any) -> list[RunFolder]:
    """Freeze a new sweep (ids `<name>-01`, `<name>-02`, ...) and return its runs, not yet started."""
    return [freeze(spec) for spec in named(notebook, grid, **options)]


def named(notebook: str | Path, grid: Grid, *, name: str | None = None, **options: Any) -> list[RunSpec]:
    """Return the specifications of a new sweep, each with its name; nothing is written yet."""
    name = fresh_id(f"sweep-{find_notebook(notebook).stem}") if name is None else name
    specs = plan(notebook, grid, parent=name, name=name, **options)  # which also checks the name
    names = [f"{name}-{number:0{len(str(len(specs)))}d}" for number in range(1, len(specs) + 1)]
    taken = next((one for one in names if os.path.lexists(runs_dir() / one)), None)
    if taken:
        raise LabError(
            f"There is a run called {taken!r} already, and a run is never overwritten. "
            "Choose another --name, or delete its folder."
        )
    return [spec.model_copy(update={"name": one}) for one, spec in zip(names, specs, strict=True)]


def sweep(
    notebook: str | Path,
    *,
    grid: Grid,
    parameters: Mapping[str, Any] | None = None,
    jobs: int = 1,
    parent: RunFolder | str | None = None,
    threads: int | None = None,
    timeout_s: float | None = None,
    allow_failures: bool = False,
    say: Callable[[str], None] = print,
) -> list[RunFolder]:
    """Execute `notebook` at every point of `grid`, `jobs` at a time; return the run folders in grid order.

    Made for notebooks: with a `parent` run, points that are done already are not run again, unfinished ones
    go on where they stopped, and stopping the parent stops them. threads: CPU threads of each (cores / jobs).
    say: told a line whenever a run ends. Raises LabError for a wrong parameter, and at the end where a run
    failed (unless `allow_failures`); Interrupted where the parent was asked to stop.
    """
    owner = parent if isinstance(parent, RunFolder) else RunFolder(parent) if parent else None
    threads = threads or max(1, usable_cores() // jobs)
    options = {"parameters": parameters, "threads": threads, "timeout_s": timeout_s}
    if owner is None:
        runs = create(notebook, grid, **options)
    else:
        runs = [_adopted(spec, owner) for spec in plan(notebook, grid, parent=owner.id, **options)]
    _execute(runs, jobs=jobs, owner=owner, say=say)
    bad = [
        f"{run.id} {status['state']}: {status.get('message', '')}"
        for run in runs
        if (status := state.observe(run))["state"] != "done"
    ]
    if bad and not allow_failures:
        raise LabError(f"{len(bad)} of {len(runs)} runs of the sweep did not finish. " + " ".join(bad))
    return runs


def _adopted(spec: RunSpec, owner: RunFolder) -> RunFolder:
    """Return the owner's run with just this specification, made now if it has none."""
    wish = [spec.source_sha256, spec.values, spec.timeout_s]
    key = hashlib.sha256(json.dumps(wish, sort_keys=True, default=str).encode()).hexdigest()[:8]
    stem = find_notebook(spec.notebook).stem
    run = RunFolder(runs_dir() / f"{owner.id}-{stem}-{key}")
    if run.status_file.is_file():
        return run
    return freeze(spec.model_copy(update={"name": run.id}))


def _execute(runs: Sequence[RunFolder], *, jobs: int, owner: RunFolder | None, say: Callable[[str], None]) -> None:
    open_runs = [run for run in dict.fromkeys(runs) if state.observe(run)["state"] != "done"]
    if not open_runs:
        return
    executor = LocalExecutor()
    queue = executor.submit(open_runs, jobs=jobs, with_parent=True)
    try:
        _wait(open_runs, owner, say)
    finally:
        if queue.poll() is None and any(state.observe(run)["state"] in state.OPEN for run in open_runs):
            queue.terminate()
        queue.wait()
    if owner is not None and owner.stop_requested():
        raise Interrupted("The sweep was asked to stop; its runs go on when this run is resumed.")


def _wait(runs: Sequence[RunFolder], owner: RunFolder | None, say: Callable[[str], None]) -> None:
    """Return when every run has ended or the owner was asked to stop; tell each run as it ends."""
    told: set[RunFolder] = set()
    while len(told) < len(runs) and not (owner is not None and owner.stop_requested()):
        for run in runs:
            status = state.observe(run) if run not in told else {"state": "running"}
            if status["state"] not in state.OPEN:
                told.add(run)
                say(f"{len(told)}/{len(runs)}  {sentence(row(run))}")
        time.sleep(0.2)
