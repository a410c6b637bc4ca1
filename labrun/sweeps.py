"""A sweep: a grid of parameters becomes a frozen list of runs, executed a few at a time."""

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit.run_folder import Interrupted, LabError, RunFolder, runs_dir, usable_cores
from labrun import follow, state
from labrun.local import LocalExecutor
from labrun.spec import RunSpec, find_notebook, freeze, fresh_id, make_spec, plain_name

Grid = Mapping[str, Sequence[Any]]


def expand(grid: Grid) -> list[dict[str, Any]]:
    """Return every combination of the grid's values, the last name varying fastest."""
    empty = [name for name, values in grid.items() if isinstance(values, str) or not len(values)]
    if empty or not grid:
        missing = " and ".join(empty) or "at least one parameter"
        raise LabError(
            f'A sweep needs a list of values for {missing}, for example -g lr=0.1,0.2 or {{"lr": [0.1, 0.2]}}.'
        )
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def plan(
    notebook: str | Path, grid: Grid, *, parameters: Mapping[str, Any] | None = None, **fields: Any
) -> list[RunSpec]:
    """Return the specification of every point of the grid. Raises LabError for a wrong one, before anything starts."""
    fixed = dict(parameters or {})
    if twice := sorted(set(grid) & set(fixed)):
        raise LabError(f"{', '.join(twice)} is both in the grid and among the fixed parameters: keep one.")
    return [make_spec(notebook, parameters=fixed | point, varied=list(grid), **fields) for point in expand(grid)]


def plan_named(notebook: str | Path, grid: Grid, *, name: str | None = None, **options: Any) -> list[RunSpec]:
    """Return the specifications of a new sweep, called `<name>-01`, `<name>-02`, ...; nothing is written yet."""
    name = fresh_id(f"sweep-{find_notebook(notebook).stem}") if name is None else name
    specs = plan(notebook, grid, parent=name, name=name, **options)  # which also checks the name
    names = [f"{name}-{number:0{len(str(len(specs)))}d}" for number in range(1, len(specs) + 1)]
    for one in names:
        if os.path.lexists(runs_dir() / one):
            raise LabError(
                f"There is a run called {one!r} already, and a run is never overwritten. "
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
    report: Callable[[str], None] = print,
) -> list[RunFolder]:
    """Execute `notebook` at every point of `grid`, `jobs` at a time; return the run folders in grid order.

    Made for notebooks: with a `parent` run, points that are done already are not run again, unfinished ones
    go on where they stopped, and stopping the parent stops them. threads: CPU threads of each (cores / jobs).
    report: receives a line whenever a run ends. Raises LabError for a wrong parameter, and at the end where a run
    failed (unless `allow_failures`); Interrupted where the parent was stopped.
    """
    owner = parent if isinstance(parent, RunFolder) else RunFolder(parent) if parent else None
    threads = threads or max(1, usable_cores() // jobs)
    options: dict[str, Any] = {"parameters": parameters, "threads": threads, "timeout_s": timeout_s}
    if owner is None:
        runs = [freeze(spec) for spec in plan_named(notebook, grid, **options)]
    else:
        runs, stem = [], f"{owner.id}-{plain_name(find_notebook(notebook).stem)}"
        for spec in plan(notebook, grid, parent=owner.id, **options):  # each has one run of the owner's
            identity = json.dumps([spec.source_sha256, spec.values, spec.timeout_s], sort_keys=True, default=str)
            run = RunFolder(runs_dir() / f"{stem}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}")
            runs.append(run if run.status_file.is_file() else freeze(spec.model_copy(update={"name": run.id})))
    unfinished = [run for run in dict.fromkeys(runs) if state.observe(run)["state"] != "done"]
    if unfinished:
        process = LocalExecutor().submit(unfinished, jobs=jobs, with_parent=True)
        try:
            follow.follow(
                unfinished, active=lambda: not (owner and owner.stop_requested()), show="results", report=report
            )
        finally:
            if process.poll() is None and any(state.observe(run)["state"] in state.OPEN for run in unfinished):
                process.terminate()
            process.wait()
        if owner and owner.stop_requested():
            raise Interrupted("The sweep was stopped; its runs go on when this run is resumed.")
    bad = [
        f"{run.id} {status['state']}: {status.get('message', '')}"
        for run in runs
        if (status := state.observe(run))["state"] != "done"
    ]
    if bad and not allow_failures:
        raise LabError(f"{len(bad)} of {len(runs)} runs of the sweep did not finish. " + " ".join(bad))
    return runs
