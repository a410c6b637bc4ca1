"""The commands about the lab itself: its data, this machine, its models and modes, JupyterLab on a node."""

import json
import os
import shutil
import sys
from dataclasses import asdict

import click

from labrun.cli.runs import place_of, place_options


@click.command()
@click.argument("datasets", nargs=-1, required=True)
@click.option("--root", type=click.Path(file_okay=False), help="Where to put it (data/ otherwise).")
def fetch(datasets, root):
    """Download DATASETS and check them. On a cluster, do this on a login node: jobs have no network.

    `dinov3` is the pretrained model: it needs HF_TOKEN (in the environment or .env) and an accepted license.

    Example: labkit fetch cifar10 mnist
    """
    from labkit.data import fetch as fetch_one

    _export_tokens()
    for name in datasets:
        click.echo(f"{name}: {fetch_one(name, root)}")


def _export_tokens() -> None:
    """Put the tokens of `.env` into the environment, where the libraries look for them."""
    from labrun.environment import tokens

    for name, value in tokens().items():
        os.environ[name] = os.environ.get(name) or value


@click.command()
@click.argument("runs", nargs=-1)
def sync(runs):
    """Send finished runs to Weights & Biases.

    Each fit becomes one complete run; on a cluster, do this on a login node. With RUNS: only those whose
    name contains one of these texts. What was sent before is left alone.

    Example: labkit sync
    """
    from labkit.run_folder import LabError
    from labrun.results.tables import select
    from labrun.results.tracking import send

    _export_tokens()
    if not os.environ.get("WANDB_API_KEY"):
        raise LabError("There is no WANDB_API_KEY: write it into .env (see .env.template), then try again.")
    for run, _ in select(runs, states=["done"]):
        for name in send(run):
            click.echo(name)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(as_json):
    """Check this machine and show how to repair what is missing.

    Exit code 1 where something that is needed is missing.

    Example: labkit doctor
    """
    from labrun import doctor as checks

    lines = checks.check_all()
    text = checks.to_text(lines, color=sys.stdout.isatty())
    click.echo(json.dumps([asdict(line) for line in lines], indent=1) if as_json else text)
    sys.exit(int(any(line.verdict == "bad" for line in lines)))


@click.command()
@click.argument("names", nargs=-1)
@click.option("--image-size", type=click.IntRange(1), default=32, show_default=True, help="Pixels per side.")
@click.option("--classes", "num_classes", type=click.IntRange(1), default=10, show_default=True)
def models(names, image_size, num_classes):
    """Show the models with parameters, FLOPs and memory.

    Memory is what training keeps per image. With NAMES only these models, else all that accept such images.

    Example: labkit models resnet18 vit --image-size 32
    """
    from labkit import profiling
    from labrun.results.tables import print_records

    print_records(profiling.model_table(names or None, image_size, num_classes=num_classes))


@click.command()
def modes():
    """Show the training modes of the SimCLR lab (-p mode=NAME).

    Example: labkit modes
    """
    from labkit import simclr as lab
    from labrun.results.tables import print_records

    print_records([{"mode": name} | asdict(mode) for name, mode in lab.MODES.items()])


@click.group()
def jupyter():
    """Start, list, reach and stop JupyterLab on a compute node.

    \b
    Example:
      labkit jupyter start --site byu --time 02:00:00
      labkit jupyter connect
      labkit jupyter stop
    """


@jupyter.command()
@click.option("--name", help="Its name (chosen for you otherwise).")
@click.option(
    "--wait", "patience_s", default=300.0, metavar="SECONDS", help="How long to wait until it is ready (300)."
)
@place_options
def start(name, patience_s, **options):
    """Start JupyterLab as a job and print how to reach it.

    Example: labkit jupyter start --site laptop
    """
    from labrun import jupyter as server

    place = place_of(options)
    executor = place.executor()
    if place.dry_run:
        click.echo(executor.server_script(server.new_folder(name), "TOKEN"), nl=False)
        return
    executor.check()
    folder = server.create(name)
    try:
        click.echo(f"{folder.name}  job {executor.submit_server(folder)}")
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    click.echo("\n".join(server.directions(server.wait_until_ready(folder, patience_s=patience_s), folder)))


@jupyter.command("list")
def list_():
    """Show all servers with node, port and time left.

    Example: labkit jupyter list
    """
    from labrun import jupyter as server
    from labrun.results.tables import print_records

    shown = ("name", "state", "node", "port", "time_left", "message")
    rows = [{key: seen[key] or "" for key in shown} for seen in map(server.observe, server.servers())]
    if not rows:
        click.echo("No JupyterLab was started; start one with `labkit jupyter start --site SITE`.")
    else:
        print_records([row | {"port": str(row["port"])} for row in rows])


@jupyter.command()
@click.argument("name", required=False)
@click.option("--login", metavar="HOST", help="The login node as your own computer knows it.")
def connect(name, login):
    """Print how to reach the server NAME.

    Example: labkit jupyter connect --login ssh.rc.byu.edu
    """
    from labrun import jupyter as server

    folder = server.find(name)
    seen = server.wait_until_ready(folder, patience_s=5)
    click.echo("\n".join(server.directions(seen, folder, login=login)))


@jupyter.command()
@click.argument("name", required=False)
def stop(name):
    """Stop the server NAME and delete its token.

    Example: labkit jupyter stop
    """
    from labrun import jupyter as server
    from labrun.slurm.executor import end_job

    folder = server.find(name)
    end_job(folder)
    shutil.rmtree(folder, ignore_errors=True)
    click.echo(f"{folder.name} is stopped.")
