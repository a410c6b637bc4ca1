"""Submitting runs to Slurm from the command line: prints the jobs, and what to type next."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labkit.run_folder import RunFolder, runs_dir
from labrun.slurm.executor import SlurmExecutor, executor_of
from labrun.spec import RunSpec, freeze, fresh_id


def submit_new(specs: Sequence[RunSpec], executor: SlurmExecutor, *, dry_run: bool = False, **options: Any) -> int:
    """Freeze and submit new runs, or with `dry_run` only print the script. Returns the exit code.

    options: those of `submit`.
    """
    if dry_run:
        names = [spec.name or fresh_id(Path(spec.notebook).stem) for spec in specs]
        print(executor.script([RunFolder(runs_dir() / name) for name in names], jobs=options.get("jobs")), end="")
        return 0
    executor.check()  # before a folder is made
    return submit([freeze(spec) for spec in specs], executor, **options)


def submit(
    runs: Sequence[RunFolder],
    executor: SlurmExecutor,
    *,
    jobs: int | None = None,
    after: Sequence[str] = (),
    collect: bool = False,
) -> int:
    """Submit runs and print their jobs. Returns the exit code.

    jobs: how many of them may run at a time. after: runs that must be done first. collect: also submit a job
    that makes the results page when all have ended.
    """
    ids = executor.submit(runs, jobs=jobs, after=after)
    for run, job in zip(runs, ids, strict=True):
        print(f"{run.id}  job {job}")
    if collect:
        print(f"The results page is made when all have ended: job {executor.collect_after(ids)}")
    site = executor.site.name
    print(f"Submitted to {site}. labkit status shows the state, labkit logs -f {runs[0].id} the log.")
    return 0


def resubmit(runs: Sequence[RunFolder], executor: SlurmExecutor | None = None, **options: Any) -> int:
    """Submit runs once more, to the site of their last submission unless an executor is given."""
    by_site: dict[str, tuple[SlurmExecutor, list[RunFolder]]] = {}
    for run in runs:
        chosen = executor or executor_of(run)
        by_site.setdefault(chosen.site.model_dump_json(), (chosen, []))[1].append(run)
    for chosen, some in by_site.values():
        submit(some, chosen, **options)
    return 0
