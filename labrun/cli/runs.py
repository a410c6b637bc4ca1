"""The commands about runs, from starting one to the table of all, and the options for where a run takes place."""

import json
import sys
import time
from collections.abc import Callable
from functools import reduce
from typing import Any

import click

from labrun.launch import Place, again, begin

_PLACE = [
    click.option("--executor", type=click.Choice(["local", "slurm"]), help="Where to run (local; slurm with --site)."),
    click.option("--site", help="The cluster: generic, laptop, byu, olivia, or your own YAML file."),
    click.option("--time", metavar="LIMIT", help="Slurm: time limit as 30 (minutes) or 04:00:00."),
    click.option("--nodes", type=click.IntRange(1), help="Slurm: nodes of each run (notebook 04 uses them all)."),
    click.option("--gpus", type=click.IntRange(0), help="Slurm: GPUs of each node."),
    click.option("--cpus", type=click.IntRange(1), help="Slurm: CPU cores of each run."),
    click.option("--mem", "memory", metavar="SIZE", help="Slurm: memory of each run, as 16G."),
    click.option("--account", help="Slurm: the account that is charged."),
    click.option("--partition", help="Slurm: the partition."),
    click.option(
        "--sbatch", "extra", multiple=True, metavar="OPTION", help="Slurm: any other, as --sbatch=--qos=long."
    ),
    click.option("--after", multiple=True, metavar="RUN", help="Slurm: start when this run is done."),
    click.option("--dry-run", is_flag=True, help="Print what would be done (for Slurm the job's script); do nothing."),
]
_BACKGROUND = click.option("-b", "--background", is_flag=True, help="Return at once; see `labkit status`.")
_JOBS = click.option("--jobs", type=click.IntRange(1), help="How many run at the same time (1; on a cluster all).")
_ABOVE_0 = click.FloatRange(0, min_open=True)
_PARAMETER = "Set a value of the notebook's parameters cell; may be repeated."
_REQUEST = [
    click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help=_PARAMETER),
    click.option("--seed", type=int, help="The same as -p seed=N."),
    click.option("--name", help="Name and folder of the run, or of a sweep (its runs: NAME-1, NAME-2, ...)."),
    click.option("--timeout", "timeout_s", type=_ABOVE_0, metavar="SECONDS", help="The longest one cell may take."),
    click.option("--threads", type=click.IntRange(1), help="CPU threads of each run (cores / jobs otherwise)."),
    _BACKGROUND,
    *_PLACE,
]


def options(*chosen: Callable) -> Callable[[Callable], Callable]:
    """Return a decorator that adds click options to a command, in this order."""
    return lambda command: reduce(lambda added, option: option(added), reversed(chosen), command)


place_options = options(*_PLACE)


def place_of(options: dict[str, Any], *, again: bool = False) -> Place:
    """Take the place out of a command's options (`again`: of runs that have one). Raises UsageError."""
    executor, site, after, dry_run = (options.pop(name) for name in ("executor", "site", "after", "dry_run"))
    fields = {name: options.pop(name) for name in ("time", "nodes", "gpus", "cpus", "memory", "account", "partition")}
    fields["extra"] = list(options.pop("extra")) or None
    for_slurm = bool(site or after or any(value is not None for value in fields.values()))
    if executor == "local" and for_slurm:
        raise click.UsageError("--executor local takes no --site and no option of Slurm: keep one.")
    slurm = for_slurm or (dry_run and not again) or None
    return Place(slurm if executor is None else executor == "slurm", site, fields, after, dry_run)


@click.command()
@click.argument("notebooks", metavar="NOTEBOOK", nargs=-1, required=True)
@_JOBS
@options(*_REQUEST)
def run(notebooks, parameters, jobs, background, name, threads, **options):
    """Execute each NOTEBOOK in a folder of its own under runs/.

    NOTEBOOK is a path, a name or a number such as 01.

    \b
    Examples:
      labkit run 01
      labkit run 02 03 --jobs 2                      (two at the same time)
      labkit run train -p lr=0.01 -p model=resnet18 --seed 1 --background
      labkit run 03 --site byu --time 02:00:00       (as a Slurm job)

    Ctrl-C saves and stops, `labkit resume` goes on; a second Ctrl-C ends it at once. Exit codes: 0 done,
    1 a cell failed, 2 the command was wrong, 70 the kernel died, 71 a cell took too long, 75 interrupted.
    """
    from labkit.run_folder import usable_cores
    from labrun.spec import assignments, make_spec

    place = place_of(options)
    if name and len(notebooks) > 1:
        raise click.UsageError("--name is the name of one run: give one notebook with it.")
    if threads is None and not place.slurm and (side_by_side := min(jobs or 1, len(notebooks))) > 1:
        threads = max(1, usable_cores() // side_by_side)
    given = {"parameters": assignments(parameters), "name": name, "threads": threads, **options}
    specs = [make_spec(one, **given) for one in notebooks]
    sys.exit(begin(specs, place, jobs=jobs or 0, background=background))


@click.command()
@click.argument("notebook", required=False)
@click.option("-g", "--grid", multiple=True, metavar="NAME=A,B,C", help="A parameter and its values; may be repeated.")
@_JOBS
@click.option("--failed", metavar="SWEEP", help="Run again what is not done of an earlier sweep.")
@click.option("--collect", is_flag=True, help="Slurm: make the results page when all have ended.")
@options(*_REQUEST)
def sweep(notebook, grid, parameters, jobs, background, failed, collect, **options):
    """Execute NOTEBOOK at every point of a grid of values.

    \b
    Examples:
      labkit sweep train -g lr=0.1,0.01,0.001 -g batch_size=64,256 --jobs 2
      labkit sweep train -g seed=0,1,2 --name seeds --site laptop --jobs 2      (as an array, two at a time)
      labkit sweep --failed seeds
    """
    from labkit.run_folder import LabError, usable_cores
    from labrun.spec import assignments, grid_of
    from labrun.state import runs_of_sweep
    from labrun.sweeps import plan_named

    place = place_of(options, again=failed is not None)
    if failed is not None:
        if notebook or grid or parameters or any(value is not None for value in options.values()):
            raise LabError("--failed runs them again as they were: leave out the notebook and its options.")
        sys.exit(again(runs_of_sweep(failed), place, jobs=jobs or 0, background=background))
    if not notebook:
        raise LabError("Name the notebook to sweep over, for example `labkit sweep train -g lr=0.1,0.01`.")
    if not place.slurm:  # the runs share this machine's cores; on a cluster each has its own
        options["threads"] = options["threads"] or max(1, usable_cores() // (jobs or 1))
    specs = plan_named(notebook, grid_of(grid), parameters=assignments(parameters), **options)
    sys.exit(begin(specs, place, jobs=jobs or 0, background=background, collect=collect))


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--state", "states", multiple=True, help="Only runs in this state; may be repeated.")
@click.option("-n", "--last", type=click.IntRange(1), default=None, help="Only the newest N runs.")
@click.option("--watch", is_flag=True, help="Show it again every 2 s until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a list with every field.")
def status(runs, states, last, watch, as_json):
    """Show every run with its state, newest first.

    With RUNS: only those whose name contains one of these texts.

    Example: labkit status train --state failed
    """
    from labrun.results.tables import print_table, select

    while True:
        selected = select(runs, states=states, last=last)
        if watch:
            click.clear()
        if as_json:
            click.echo(json.dumps([{"id": one.id} | seen for one, seen in selected], indent=1))
        else:
            print_table(selected)
        if not watch:
            break
        time.sleep(2)


@click.command()
@click.argument("run")
@click.option("-f", "--follow", is_flag=True, help="Go on printing until the run has ended.")
@click.option("-n", "--tail", "lines", type=click.IntRange(0), default=None, help="Only the last N lines.")
def logs(run, follow, lines):
    """Print the log of RUN: its cells and all they printed.

    Example: labkit logs train-2026 -f --tail 20 (the newest run whose name starts so)
    """
    from labrun.results.tables import read_log
    from labrun.state import find

    for text in read_log(find(run, newest=True), lines=lines, follow=follow):
        click.echo(text, nl=False)


@click.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--now", is_flag=True, help="End them at once, without saving.")
def cancel(runs, now):
    """Save and stop RUNS, or all runs of a sweep.

    They can be resumed later.

    Example: labkit cancel --now sweep-train-20260101-120000-ab12
    """
    from labrun.slurm.executor import executor_of
    from labrun.state import OPEN, matching_runs

    chosen = [run for name in runs for run in reversed(matching_runs(name, states=OPEN))]  # last first: a queue shall
    jobs = [run for run in chosen if executor_of(run).name == "slurm"]  # not start it
    for one in chosen:
        if one not in jobs:
            click.echo(executor_of(one).cancel(one, now=now))
    if jobs:
        click.echo("\n".join(executor_of(jobs[0]).cancel_all(jobs, now=now)))


@click.command()
@click.argument("runs", nargs=-1, required=True)
@_JOBS
@_BACKGROUND
@place_options
def resume(runs, jobs, background, **options):
    """Go on with RUNS from their last checkpoint.

    Notebook and values are those of the first start; runs that are done are left alone. A run that was a
    Slurm job becomes one again, with the same limits unless others are given.

    Example: labkit resume train-20260101-120000-ab12
    """
    from labrun.state import RESUMABLE, matching_runs

    place = place_of(options, again=True)
    chosen = [one for name in runs for one in matching_runs(name, states=RESUMABLE)]
    sys.exit(again(chosen, place, jobs=jobs or 0, background=background))


@click.command()
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False), help="Also write the table to this file.")
@click.option("--track", is_flag=True, help="Also send the tables over seeds to TensorBoard (and W&B).")
@click.option("-q", "--quiet", is_flag=True, help="Print paths only.")
def collect(csv_file, track, quiet):
    """Show all results and write the page runs/index.html.

    Runs that differ in their seed alone are one row with an interval; so are the modes of the SimCLR lab.
    With --track each such table goes, with its figure, to TensorBoard files under runs/tables/; and to
    Weights & Biases where WANDB_MODE is offline or online.

    Example: labkit collect --track && tensorboard --logdir runs/tables
    """
    from labkit.run_folder import atomic_write
    from labrun.results import collect as collected
    from labrun.results.tables import print_results

    rows = collected.rows()
    if not quiet:
        print_results(rows)
    if csv_file:
        atomic_write(csv_file, collected.to_csv(rows))
    if track:
        from labrun.results.tracking import track as send

        for path in send(collected.tables(rows)):
            click.echo(path)
    click.echo(collected.refresh_page())
