"""The tables over seeds as trackers show them: one text, one figure and the means, per table."""

import hashlib
import os
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from labkit.run_folder import LabError, runs_dir

COLUMNS = ("setting", "runs", "of", "metric", "mean", "half", "seconds", "images", "steps")


def track(tables: dict[str, list[dict]]) -> Iterator[Path]:
    """Write each table (title -> rows of `labrun.results.seeds`) for TensorBoard; yield the folders written.

    What an earlier call wrote there of a table is replaced. Where WANDB_MODE says "offline" or "online", it
    becomes a new run of Weights & Biases, too. Raises LabError where that fails.
    """
    mode = os.environ.get("WANDB_MODE", "disabled")
    for title, rows in tables.items():
        known = [row for row in rows if row["mean"] is not None]
        if known:
            folder = runs_dir() / "tables" / _file_name(title)
            folder.mkdir(parents=True, exist_ok=True)
            _to_tensorboard(title, known, folder)
            if mode in ("offline", "online"):
                _to_wandb(title, known, folder, mode)
            yield folder


def picture(title: str, rows: list[dict]):
    """Return the means as bars, each with its 95 % interval over seeds where there were two or more."""
    from labkit.plots import plot_bars  # imports torch and matplotlib

    return plot_bars(
        {row["setting"]: row["mean"] for row in rows},
        form="{:.3g}",
        title=textwrap.shorten(title, 90, placeholder=" ..."),
        x_label=f"{rows[0]['metric']}, mean with 95 % interval over seeds",
        spread={row["setting"]: row["half"] or 0 for row in rows},
    )


def markdown(rows: list[dict]) -> str:
    lines = [COLUMNS, ["---"] * len(COLUMNS), *([_told(row[name]) for name in COLUMNS] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _file_name(title: str) -> str:
    """Return a name that the title alone has, short enough for every file system."""
    readable = re.sub(r"[^A-Za-z0-9.=]+", "-", title).strip("-")
    digest = hashlib.md5(title.encode()).hexdigest()[:8]
    return readable if len(readable) <= 80 else f"{readable[:71]}-{digest}"


def _told(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _to_tensorboard(title: str, rows: list[dict], folder: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()
    with SummaryWriter(str(folder)) as writer:
        writer.add_text("table", markdown(rows))
        writer.add_figure("figure", picture(title, rows))
        for row in rows:
            writer.add_scalar(f"{row['metric']}/{row['setting']}", row["mean"])


def _to_wandb(title: str, rows: list[dict], folder: Path, mode: str) -> None:
    try:
        import wandb

        with wandb.init(
            project=os.environ.get("WANDB_PROJECT", "labkit"),
            dir=str(folder),
            mode=mode,
            name=title,
            job_type="table",
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        ) as run:
            data = [[row[name] for name in COLUMNS] for row in rows]
            run.log({"table": wandb.Table(list(COLUMNS), data), "figure": wandb.Image(picture(title, rows))})
    except Exception as error:  # wandb raises errors of many kinds for a network that is away
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise LabError(
            f"W&B did not take the tables ({told}); TensorBoard has them under {folder}: try "
            "again where there is a network, or with WANDB_MODE=offline."
        ) from error
    click.echo(f"W&B ({mode}): {title}")
