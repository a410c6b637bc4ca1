"""Where a run shall take place, as options that several commands share: here, or on a Slurm cluster."""

from collections.abc import Callable
from dataclasses import dataclass

import click

SITE_FIELDS = ("time", "nodes", "gpus", "cpus", "memory", "account", "partition")


@dataclass(frozen=True)
class Place:
    """What was typed. `slurm` is None where nothing was said about the place."""

    slurm: bool | None
    site: str | None
    chosen: dict
    after: tuple[str, ...] = ()
    dry_run: bool = False

    def executor(self):
        """Return the Slurm executor of this place. Raises LabError for a wrong site or field."""
        from labrun.slurm.executor import SlurmExecutor
        from labrun.slurm.site_config import load_site

        return SlurmExecutor(load_site(self.site, **self.chosen))


def placed(command: Callable) -> Callable:
    """Add the options to a command."""
    options = [
        click.option(
            "--executor",
            type=click.Choice(["local", "slurm"]),
            help="Here, or as a Slurm job (local; slurm where --site is given).",
        ),
        click.option("--site", help="The cluster: generic, laptop, byu, olivia, or your own YAML file."),
        click.option("--time", metavar="LIMIT", help="Slurm: time limit as 30 (minutes) or 04:00:00."),
        click.option(
            "--nodes", type=click.IntRange(1), help="Slurm: nodes of each run (notebook 04 starts ranks on all)."
        ),
        click.option("--gpus", type=click.IntRange(0), help="Slurm: GPUs of each node."),
        click.option("--cpus", type=click.IntRange(1), help="Slurm: CPU cores of each run."),
        click.option("--mem", "memory", metavar="SIZE", help="Slurm: memory of each run, as 16G."),
        click.option("--account", help="Slurm: who pays."),
        click.option("--partition", help="Slurm: the partition."),
        click.option("--after", multiple=True, metavar="RUN", help="Slurm: start when this run is done."),
        click.option("--dry-run", is_flag=True, help="Slurm: print the job's script, submit nothing."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def place_of(options: dict) -> Place:
    """Take the place out of a command's options. Raises UsageError for a contradiction."""
    executor, site = options.pop("executor"), options.pop("site")
    chosen = {name: options.pop(name) for name in SITE_FIELDS}
    after, dry_run = options.pop("after"), options.pop("dry_run")
    wished = bool(site or after or dry_run or any(value is not None for value in chosen.values()))
    if executor == "local" and wished:
        raise click.UsageError("--executor local takes no --site and no option of Slurm: keep one.")
    return Place({"slurm": True, "local": False}.get(executor, wished or None), site, chosen, after, dry_run)
