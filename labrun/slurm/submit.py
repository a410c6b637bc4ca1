"""Submitting runs to Slurm from the command line: prints the jobs, and what to type next."""

from collections.abc import Sequence
from pathlib import Path

from labkit.run_folder import RunFolder, runs_dir
from labrun.slurm.executor import SlurmExecutor, executor_of
from labrun.spec import RunSpec, freeze, fresh_id


def submit_new(
    specs: Sequence[RunSpec],
    executor: SlurmExecutor,
    *,
    jobs: int | None = None,
    after: Sequence[str] = (),
    dry_run: bool = False,
    collect: bool = False,
) -> int:
    """Freeze and submit new runs, or with `dry_run` only print the script. Returns the exit code."""
    if dry_run:
        names = [spec.name or fresh_id(Path(spec.notebook).stem) for spec in specs]
        print(executor.script([RunFolder(runs_dir() / name) for name in names], jobs=jobs), end="")
        return 0
    executor.check()  # before a folder is made
    return submit([freeze(spec) for spec in specs], executor, jobs=jobs, after=after, collect=collect)


def submit(
    runs: Sequence[RunFolder],
    executor: SlurmExecutor,
    *,
    jobs: int | None = None,
    after: Sequence[str] = (),
    collect: bool = False,
) -> int:
    """Submit runs and print their jobs. Returns the exit code."""
    ids = executor.submit(runs, jobs=jobs, after=after)
    for run, job in zip(runs, ids, strict=True):
        print(f"{run.id}  job {job}")
    if collect:
        print(f"The results page is made when all have ended: job {executor.collect_after(ids)}")
    print(
        f"Submitted to {executor.site.name}. labkit status shows its state, labkit logs -f {runs[0].id} follows its log."
    )
    return 0


def resubmit(
    runs: Sequence[RunFolder],
    executor: SlurmExecutor | None = None,
    *,
    jobs: int | None = None,
    after: Sequence[str] = (),
) -> int:
    """Submit runs once more, to the site of their last submission unless an executor is given."""
    if executor is not None:
        return submit(runs, executor, jobs=jobs, after=after)
    by_site: dict = {}
    for run in runs:
        again = executor_of(run)
        by_site.setdefault(again.site.model_dump_json(), (again, []))[1].append(run)
    for again, some in by_site.values():
        submit(some, again, jobs=jobs, after=after)
    return 0
