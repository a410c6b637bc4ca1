"""The commands about runs: from starting one to the table of all."""

import json
import sys
import time

import click

from labrun.cli.places import place_of, placed


@click.command()
@click.argument("notebooks", metavar="NOTEBOOK", nargs=-1, required=True)
@click.option(
    "-p",
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a value of the notebook's parameters cell; may be repeated.",
)
@click.option("--seed", type=int, help="The same as -p seed=N.")
@click.option("--name", help="The run's name (and folder); made from notebook and time otherwise.")
@click.option("--timeout", "timeout_s", type=float, metavar="SECONDS", help="The longest one cell may take.")
@click.option("--threads", type=int, help="CPU threads that the notebook may use (all cores otherwise).")
@click.option("--jobs", type=click.IntRange(1), default=1, help="How many notebooks run at the same time (1).")
@click.option("-b", "--background", is_flag=True, help="Return at once; see `labkit status`.")
@placed
def run(notebooks, parameters, jobs, background, name, threads, **options):
    """Execute each NOTEBOOK in a folder of its own under runs/.

    NOTEBOOK is a path, a name or a number such as 01.

    \b
    Examples:
      labkit run 01
      labkit run train -p lr=0.01 -p model=resnet18 --seed 1
      labkit run notebooks/03_simclr.ipynb -p preset=full --background
      labkit run 03 --site byu --time 02:00:00       (as a Slurm job)
      labkit run 02 03 --jobs 2                      (side by side)

    Ctrl-C saves and stops, `labkit resume` goes on; a second Ctrl-C ends it at once. Exit codes: 0 done,
    1 a cell failed, 2 the command was wrong, 70 the kernel died, 71 a cell took too long, 75 interrupted.
    """
    from labkit.data.download import require
    from labrun.launch import share_of_cores, start
    from labrun.parameters import assignments
    from labrun.spec import freeze, make_spec

    place = place_of(options)
    if name and len(notebooks) > 1:
        raise click.UsageError("--name is the name of one run: give one notebook with it.")
    if threads is None and not place.slurm:
        threads = share_of_cores(min(jobs, len(notebooks)))
    values = assignments(parameters)
    specs = [make_spec(one, parameters=values, name=name, threads=threads, **options) for one in notebooks]
    for spec in specs:
        require(spec.values)
    if place.slurm:
        from labrun.slurm.submit import send_new

        sys.exit(max(send_new([spec], place.executor(), after=place.after, dry_run=place.dry_run) for spec in specs))
    sys.exit(start([freeze(spec) for spec in specs], jobs=jobs, background=background))


@click.command()
@click.argument("notebook", required=False)
@click.option("-g", "--grid", multiple=True, metavar="NAME=A,B,C", help="A parameter and its values; may be repeated.")
@click.option(
    "-p",
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A value that is the same for all runs; may be repeated.",
)
@click.option("--jobs", type=click.IntRange(1), default=1, help="How many run at the same time (1).")
@click.option("--seed", type=int, help="The same as -p seed=N.")
@click.option("--name", help="The sweep's name; its runs are called NAME-1, NAME-2, ...")
@click.option("--timeout", "timeout_s", type=float, metavar="SECONDS", help="The longest one cell may take.")
@click.option("--threads", type=int, help="CPU threads of each run (cores / jobs otherwise).")
@click.option("-b", "--background", is_flag=True, help="Return at once.")
@click.option("--failed", metavar="SWEEP", help="Send again what is not done of an earlier sweep.")
@click.option("--collect", is_flag=True, help="Slurm: make the results page when all have ended.")
@placed
def sweep(notebook, grid, parameters, jobs, background, failed, collect, **options):
    """Execute NOTEBOOK at every point of a grid of values.

    \b
    Examples:
      labkit sweep train -g lr=0.1,0.01,0.001 -g batch_size=64,256 --jobs 2
      labkit sweep train -g seed=0,1,2 -p model=resnet18 --name seeds
      labkit sweep --failed seeds
      labkit sweep train -g seed=0,1,2 --site laptop --jobs 2      (as an array, two at a time)
    """
    from labkit.data.download import require
    from labrun.launch import new_sweep, old_sweep, start
    from labrun.spec import freeze

    place = place_of(options)
    if failed is not None:
        runs = old_sweep(failed, notebook=notebook, grid=grid, parameters=parameters, **options)
        sys.exit(_again(runs, place, jobs, background))
    specs = new_sweep(notebook, grid, parameters, sharing=None if place.slurm else jobs, **options)
    for spec in specs:
        require(spec.values)
    if place.slurm:
        from labrun.slurm.submit import send_new

        sys.exit(
            send_new(specs, place.executor(), jobs=jobs, after=place.after, dry_run=place.dry_run, collect=collect)
        )
    sys.exit(start([freeze(spec) for spec in specs], jobs=jobs, background=background))


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--state", "states", multiple=True, help="Only runs in this state; may be repeated.")
@click.option("-n", "--last", type=click.IntRange(1), default=None, help="Only the newest N runs.")
@click.option("--watch", is_flag=True, help="Show it again every 2 s until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a list with every field.")
def status(runs, states, last, watch, as_json):
    """Show every run with its state, newest first.

    With RUNS: only those whose name holds one of these words.

    \b
    Examples:
      labkit status
      labkit status train --state failed
      labkit status --watch
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

    \b
    Examples:
      labkit logs train-20260101-120000-ab12
      labkit logs train-2026 -f --tail 20      (the newest run whose name starts so)
    """
    from labrun.results.tables import read_log
    from labrun.state import find

    for text in read_log(find(run, newest=True), lines=lines, follow=follow):
        click.echo(text, nl=False)


@click.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--now", is_flag=True, help="End it at once, without saving.")
def cancel(runs, now):
    """Ask RUNS, or all runs of a sweep, to save and stop.

    They can be resumed later.

    \b
    Examples:
      labkit cancel train-20260101-120000-ab12
      labkit cancel --now sweep-train-20260101-120000-ab12
    """
    from labrun.slurm.executor import executor_of
    from labrun.state import OPEN, family

    for one in (run for name in runs for run in reversed(family(name, states=OPEN))):
        click.echo(executor_of(one).cancel(one, now=now))  # last first: a queue shall not start it


@click.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--jobs", type=click.IntRange(1), default=1, help="How many run at the same time (1).")
@click.option("-b", "--background", is_flag=True, help="Return at once.")
@placed
def resume(runs, jobs, background, **options):
    """Go on with RUNS from their last checkpoint.

    Notebook and values are those of the first start; runs that are done are left alone. A run that was a
    Slurm job becomes one again, with the same limits unless others are given.

    \b
    Example:
      labkit resume train-20260101-120000-ab12
    """
    from labrun.launch import unfinished
    from labrun.state import RESUMABLE, family

    place = place_of(options)
    again = unfinished([one for name in runs for one in family(name, states=RESUMABLE)])
    sys.exit(_again(again, place, jobs, background))


def _again(runs, place, jobs, background) -> int:
    """Start runs once more: at the place that was typed, else each where it was before."""
    from labrun.launch import start

    before = [one for one in runs if one.read_status().get("executor") == "slurm"]
    slurm = place.slurm if place.slurm is not None else bool(before)
    if not slurm:
        return start(runs, jobs=jobs, background=background)
    if place.slurm is None and len(before) < len(runs):
        raise click.UsageError("Some of these ran here and some on a cluster: say --executor local or slurm.")
    from labrun.slurm.submit import send_again

    return send_again(runs, place.executor() if place.slurm else None, jobs=jobs, after=place.after)


@click.command()
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False), help="Also write the table to this file.")
@click.option("--track", is_flag=True, help="Also send the tables over seeds to TensorBoard (and W&B).")
@click.option("-q", "--quiet", is_flag=True, help="Print paths only.")
def collect(csv_file, track, quiet):
    """Show all results and write the page runs/index.html.

    Runs that differ in their seed alone are one row with an interval; so are the modes of the SimCLR lab.
    With --track each such table goes, with its figure, to TensorBoard files under runs/tables/; and to
    Weights & Biases where WANDB_MODE is offline or online.

    \b
    Examples:
      labkit collect
      labkit collect --csv results.csv
      labkit collect --track && tensorboard --logdir runs/tables
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
        from labrun.cli.tables import track as send

        for path in send(collected.tables(rows)):
            click.echo(path)
    click.echo(collected.write_index())
