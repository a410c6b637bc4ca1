"""The command line: `labkit run`, `sweep`, `status`, ...; each command calls a function of a lower floor."""

import json
import os
import sys
import time

import click

from labkit.errors import LabError


def main() -> None:
    """Run the command line; a mistake of the user's is one sentence and exit code 2."""
    try:
        sys.exit(labkit.main(standalone_mode=False) or 0)
    except LabError as error:
        _stop(str(error), 2, error)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help())
        sys.exit(2)
    except click.Abort:
        _stop("Stopped.", 130)
    except click.ClickException as error:
        hint = f" See `{error.ctx.command_path} --help`." if getattr(error, "ctx", None) else ""
        _stop(error.format_message() + hint, 2, error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)      # the reader (head, less) has left
        sys.exit(0)
    except OSError as error:
        _stop(f"The system refused: {error}.", 1, error)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="labkit")
def labkit():
    """The course lab: run notebooks as jobs, follow them, and read what came out.

    \b
    A first round:
      labkit doctor                  is everything in place?
      labkit run 01                  execute notebooks/01_..., with live progress
      labkit status                  every run with its state
      labkit collect                 all results in one page, runs/index.html
    """


@labkit.command()
@click.argument("notebook")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE",
              help="Set a value of the notebook's parameters cell; may be repeated.")
@click.option("--seed", type=int, help="The same as -p seed=N.")
@click.option("--name", help="The run's name (and folder); made from notebook and time otherwise.")
@click.option("--timeout", "timeout_s", type=float, metavar="SECONDS", help="The longest one cell may take.")
@click.option("--threads", type=int, help="CPU threads that the notebook may use (all cores otherwise).")
@click.option("-b", "--background", is_flag=True, help="Return at once; see `labkit status`.")
def run(notebook, parameters, background, **options):
    """Execute NOTEBOOK in a folder of its own under runs/.

    NOTEBOOK is a path, a name or a number such as 01.

    \b
    Examples:
      labkit run 01
      labkit run train -p lr=0.01 -p model=resnet18 --seed 1
      labkit run notebooks/03_simclr.ipynb -p preset=full --background

    Ctrl-C saves and stops, `labkit resume` goes on; a second Ctrl-C ends it at once. Exit codes: 0 done,
    1 a cell failed, 2 the command was wrong, 70 the kernel died, 71 a cell took too long, 75 interrupted.
    """
    from labkit.cluster.launch import start
    from labkit.cluster.parameters import assignments
    from labkit.cluster.spec import freeze, make_spec

    spec = make_spec(notebook, parameters=assignments(parameters), **options)
    sys.exit(start([freeze(spec)], background=background))


@labkit.command()
@click.argument("notebook", required=False)
@click.option("-g", "--grid", multiple=True, metavar="NAME=A,B,C", 
              help="A parameter and its values; may be repeated.")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE",
              help="A value that is the same for all runs; may be repeated.")
@click.option("--jobs", type=click.IntRange(1), default=1, help="How many run at the same time (1).")
@click.option("--seed", type=int, help="The same as -p seed=N.")
@click.option("--name", help="The sweep's name; its runs are called NAME-1, NAME-2, ...")
@click.option("--timeout", "timeout_s", type=float, metavar="SECONDS", help="The longest one cell may take.")
@click.option("--threads", type=int, help="CPU threads of each run (cores / jobs otherwise).")
@click.option("-b", "--background", is_flag=True, help="Return at once.")
@click.option("--failed", metavar="SWEEP", help="Send again what is not done of an earlier sweep.")
def sweep(notebook, grid, parameters, jobs, background, failed, **options):
    """Execute NOTEBOOK at every point of a grid of values.

    \b
    Examples:
      labkit sweep train -g lr=0.1,0.01,0.001 -g batch_size=64,256 --jobs 2
      labkit sweep train -g seed=0,1,2 -p model=resnet18 --name seeds
      labkit sweep --failed seeds
    """
    from labkit.cluster.launch import new_sweep, old_sweep, start

    runs = new_sweep(notebook, grid, parameters, jobs=jobs, **options) if failed is None else \
        old_sweep(failed, notebook=notebook, grid=grid, parameters=parameters, **options)
    sys.exit(start(runs, jobs=jobs, background=background))


@labkit.command()
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
    from labkit.cluster.table import print_table, select

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


@labkit.command()
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
    from labkit.cluster.state import find
    from labkit.cluster.table import read_log

    for text in read_log(find(run, newest=True), lines=lines, follow=follow):
        click.echo(text, nl=False)


@labkit.command()
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
    from labkit.cluster.local import LocalExecutor
    from labkit.cluster.state import OPEN, family

    for name in runs:
        for one in reversed(family(name, states=OPEN)):     # last first: a queue shall not start it
            click.echo(LocalExecutor().cancel(one, now=now))


@labkit.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--jobs", type=click.IntRange(1), default=1, help="How many run at the same time (1).")
@click.option("-b", "--background", is_flag=True, help="Return at once.")
def resume(runs, jobs, background):
    """Go on with RUNS from their last checkpoint.

    Notebook and values are those of the first start; runs that are done are left alone.

    \b
    Example:
      labkit resume train-20260101-120000-ab12
    """
    from labkit.cluster.launch import start, unfinished
    from labkit.cluster.state import RESUMABLE, family

    again = unfinished([one for name in runs for one in family(name, states=RESUMABLE)])
    sys.exit(start(again, jobs=jobs, background=background))


@labkit.command()
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False), help="Also write the table to this file.")
@click.option("-q", "--quiet", is_flag=True, help="Print the page's path only.")
def collect(csv_file, quiet):
    """Show all results and write the page runs/index.html.

    \b
    Examples:
      labkit collect
      labkit collect --csv results.csv
    """
    from labkit.cluster import collect as collected
    from labkit.cluster.table import print_results
    from labkit.records import atomic_write

    if not quiet:
        print_results(collected.rows())
    if csv_file:
        atomic_write(csv_file, collected.to_csv(collected.rows()))
    click.echo(collected.write_index())


@labkit.command()
@click.argument("datasets", nargs=-1, required=True)
@click.option("--root", type=click.Path(file_okay=False), help="Where to put it (data/ otherwise).")
def fetch(datasets, root):
    """Download DATASETS and check them. On a cluster, do this on a login node: jobs have no network.

    \b
    Example:
      labkit fetch cifar10 mnist
    """
    from labkit import data

    for name in datasets:
        click.echo(f"{name}: {data.fetch(name, root)}")


@labkit.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(as_json):
    """Check this machine and say what to do about each red line.

    Exit code 1 where something that is needed is missing.

    \b
    Example:
      labkit doctor
    """
    from labkit import doctor as checks

    lines = checks.examine()
    click.echo(checks.to_json(lines) if as_json else checks.to_text(lines, colour=sys.stdout.isatty()))
    sys.exit(checks.exit_code(lines))


@labkit.command()
@click.argument("names", nargs=-1)
@click.option("--image-size", type=click.IntRange(1), default=32, show_default=True, help="Pixels per side.")
@click.option("--classes", "num_classes", type=click.IntRange(1), default=10, show_default=True)
def models(names, image_size, num_classes):
    """Show the models with parameters, FLOPs and memory.

    Memory is what training keeps per image; with NAMES, only these models.

    \b
    Example:
      labkit models resnet18 vit --image-size 32
    """
    from labkit import profiling
    from labkit.cluster.table import print_records

    print_records(profiling.model_table(names or None, image_size, num_classes=num_classes))


@labkit.command()
def modes():
    """Show the training modes of the SimCLR lab (-p mode=NAME).

    \b
    Example:
      labkit modes
    """
    from dataclasses import asdict

    from labkit import modes as lab
    from labkit.cluster.table import print_records

    print_records([{"mode": name} | asdict(mode) for name, mode in lab.MODES.items()])


def _stop(sentence: str, code: int, error: BaseException | None = None) -> None:
    if error is not None and os.environ.get("LABKIT_DEBUG") == "1":
        sys.excepthook(type(error), error, error.__traceback__)
    click.echo(f"labkit: {sentence}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
