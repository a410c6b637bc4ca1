"""The tables over seeds for TensorBoard and Weights & Biases: one text, one figure and the means, per table."""

import hashlib
import io
import re
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

from labkit.run_folder import make_folder, runs_dir
from labkit.run_folder.wandb_run import Mode, wandb_mode
from labrun.results.page import number
from labrun.results.wandb_sync import wandb_run

COLUMNS = ("setting", "runs", "of", "metric", "mean", "half", "seconds", "images", "steps")


def track(tables: dict[str, list[dict]]) -> Iterator[Path]:
    """Write each table (title -> rows of `labrun.results.seeds`) for TensorBoard; yield the folders written.

    What an earlier call wrote there of a table is replaced. Where WANDB_MODE is "offline" or "online", the
    table becomes a new run of Weights & Biases, too. Raises LabError where that fails.
    """
    mode = wandb_mode()
    for title, rows in tables.items():
        known = [row for row in rows if row["mean"] is not None]
        if known:
            folder = runs_dir() / "tables" / _file_name(title)
            make_folder(folder)
            picture = figure(title, known)
            _to_tensorboard(known, picture, folder)
            if mode:
                _to_wandb(title, known, picture, folder, mode)
            yield folder


def figure(title: str, rows: list[dict]) -> bytes:
    """Return a PNG of the means as bars, each with its 95 % interval over seeds where there were two or more."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(7, 0.9 + 0.34 * len(rows)), layout="constrained")
    axes = picture.subplots()
    bars = axes.barh([row["setting"] for row in rows], [row["mean"] for row in rows], color="#0072B2")
    axes.errorbar(
        [row["mean"] for row in rows], range(len(rows)), xerr=[row["half"] or 0 for row in rows], fmt="none", color="k"
    )
    axes.bar_label(bars, [f"{row['mean']:.3g}" for row in rows], padding=4)
    axes.invert_yaxis()  # the first name on top
    axes.margins(x=0.16)
    axes.set_xlabel(f"{rows[0]['metric']}, mean with 95 % interval over seeds")
    axes.set_title(textwrap.shorten(title, 90, placeholder=" ..."))
    file = io.BytesIO()
    picture.savefig(file, format="png", dpi=100)
    return file.getvalue()


def markdown(rows: list[dict]) -> str:
    """Return the rows as a Markdown table."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *([number(row[name]) for name in COLUMNS] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _file_name(title: str) -> str:
    """Return a name that the title alone has, short enough for every file system."""
    readable = re.sub(r"[^A-Za-z0-9.=]+", "-", title).strip("-")
    digest = hashlib.md5(title.encode()).hexdigest()[:8]
    return readable if len(readable) <= 80 else f"{readable[:71]}-{digest}"


def _to_tensorboard(rows: list[dict], picture: bytes, folder: Path) -> None:
    """Write one event file with tensorboard's own writer; torch's would load all of torch."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text.summary_v2 import text_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    means = [Summary.Value(tag=f"{row['metric']}/{row['setting']}", simple_value=row["mean"]) for row in rows]
    image = Summary.Value(tag="figure", image=Summary.Image(encoded_image_string=picture, colorspace=4))
    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()
    writer = EventFileWriter(str(folder))
    for summary in (text_pb("table", markdown(rows)), Summary(value=[image, *means])):
        writer.add_event(Event(wall_time=time.time(), step=0, summary=summary))
    writer.close()


def _to_wandb(title: str, rows: list[dict], picture: bytes, folder: Path, mode: Mode) -> None:
    advice = (
        f"TensorBoard has the table under {folder}: try again where there is a network, or with WANDB_MODE=offline."
    )
    with wandb_run(folder, title, mode=mode, advice=advice, job_type="table") as run:
        import wandb
        from PIL import Image

        data = [[row[name] for name in COLUMNS] for row in rows]
        run.log({"table": wandb.Table(list(COLUMNS), data), "figure": wandb.Image(Image.open(io.BytesIO(picture)))})
    print(f"W&B ({mode}): {title}")
