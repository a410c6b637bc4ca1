"""Results for TensorBoard and Weights & Biases: the tables over seeds, and finished runs, one whole run per fit."""

import hashlib
import io
import re
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labkit.run_folder import LabError, RunFolder, atomic_write, make_folder, read_json, runs_dir, to_json
from labkit.run_folder.wandb_run import Mode, start_wandb, wandb_mode
from labrun.results.page import number

SENT = "wandb_sent.json"  # in the run's logs: the ids of what has gone up
COLUMNS = ("setting", "runs", "of", "metric", "mean", "half", "seconds", "images", "steps")


def send(run: RunFolder) -> list[str]:
    """Upload each fit of a finished run that was not uploaded before; return the new W&B ids.

    Offline segments that share an id overwrite each other on the server (wandb #3841, #5865), and an interrupted
    run has several. So none of them is uploaded: metrics.jsonl holds the whole history, and that is what goes up.
    Raises LabError where the run is not done, where wandb is missing, or where the upload fails.
    """
    if run.read_status().get("state") != "done":
        raise LabError(f"{run.id} is not done: only finished runs are uploaded, each as one whole.")
    sent, new = read_json(run.logs / SENT), {}
    fits: dict[str, list[dict]] = {}
    for row in run.read_metrics():
        if "fit" in row and row["fit"] not in sent:
            fits.setdefault(row["fit"], []).append(row)
    advice = "nothing is lost: upload it again where there is a network."
    for fit, rows in fits.items():
        fields = {"id": f"{run.id}-{fit}", "group": run.id, "config": run.read_spec().get("values", {})}
        with wandb_run(run.logs, f"{run.id} {fit}", mode="online", advice=advice, **fields) as whole:
            for row in rows:
                kind = row.get("kind", "value")
                numbers = {f"{kind}/{k}": v for k, v in row.items() if k != "step" and isinstance(v, int | float)}
                whole.log(numbers | {"step": row.get("step", 0)})
            whole.summary.update({key: value for key, value in run.read_summary().items() if key != "main"})
        new[fit] = whole.id
        atomic_write(run.logs / SENT, to_json(sent | new))
    return list(new.values())


@contextmanager
def wandb_run(folder: Path, name: str, *, mode: Mode, advice: str, **fields: Any) -> Iterator[Any]:
    """Give a W&B run that is finished at the end. Raises LabError, with `advice`, where W&B fails."""
    try:
        run = start_wandb(folder, name, mode=mode, **fields)
        yield run
        run.finish()
    except LabError:
        raise
    except Exception as error:  # wandb raises errors of many kinds without a network
        reason = " ".join(str(error).split())[:200]
        raise LabError(f"W&B did not take {name} ({type(error).__name__}: {reason}); {advice}") from error


def track(tables: dict[str, list[dict]]) -> Iterator[Path]:
    """Write each table (title -> rows of `labrun.results.seeds`) for TensorBoard; yield the folders written.

    What an earlier call wrote there of a table is replaced. Where WANDB_MODE is "offline" or "online", the
    table becomes a new run of Weights & Biases, too. Raises LabError where that fails.
    """
    mode = wandb_mode()
    for title, rows in tables.items():
        known = [row for row in rows if row["mean"] is not None]
        if known:
            name = re.sub(r"[^A-Za-z0-9.=]+", "-", title).strip("-")
            if len(name) > 80:  # some file systems take no longer ones; the title alone has this name
                name = f"{name[:71]}-{hashlib.md5(title.encode()).hexdigest()[:8]}"
            folder = runs_dir() / "tables" / name
            make_folder(folder)
            picture = figure(title, known)
            _to_tensorboard(known, picture, folder)
            if mode:
                advice = f"TensorBoard has the table under {folder}: try again with a network, or WANDB_MODE=offline."
                with wandb_run(folder, title, mode=mode, advice=advice, job_type="table") as run:
                    import wandb
                    from PIL import Image

                    table = wandb.Table(list(COLUMNS), [[row[name] for name in COLUMNS] for row in known])
                    run.log({"table": table, "figure": wandb.Image(Image.open(io.BytesIO(picture)))})
                print(f"W&B ({mode}): {title}")
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
    cells = [COLUMNS, ["---"] * len(COLUMNS), *([number(row[name]) for name in COLUMNS] for row in rows)]
    markdown = "\n".join(f"| {' | '.join(line)} |" for line in cells)
    writer = EventFileWriter(str(folder))
    for summary in (text_pb("table", markdown), Summary(value=[image, *means])):
        writer.add_event(Event(wall_time=time.time(), step=0, summary=summary))
    writer.close()
