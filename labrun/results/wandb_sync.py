"""Uploading finished runs to Weights & Biases from a machine with a network: one complete run per fit.

Offline segments that share an id overwrite each other on the server (wandb #3841, #5865), and an interrupted
run has several. So none of them is uploaded: metrics.jsonl holds the whole history, and that is what goes up.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labkit.run_folder import LabError, RunFolder, atomic_write, to_json
from labkit.run_folder.records import read_json
from labkit.run_folder.wandb_run import Mode, start_wandb

SENT = "wandb_sent.json"  # in the run's logs: the ids of what has gone up


def send(run: RunFolder, *, mode: Mode = "online") -> list[str]:
    """Upload each fit of a finished run that was not uploaded before; return the new W&B ids.

    mode: "offline" writes the same complete runs to the run's logs instead. Raises LabError where the run is
    not done, where wandb is missing, or where the upload fails.
    """
    if run.read_status().get("state") != "done":
        raise LabError(f"{run.id} is not done: only finished runs are uploaded, each as one whole.")
    sent, rows = read_json(run.logs / SENT), run.read_metrics()
    new = {}
    for fit in dict.fromkeys(row["fit"] for row in rows if "fit" in row):
        if fit not in sent:
            new[fit] = _send(run, fit, [row for row in rows if row.get("fit") == fit], mode)
            if mode == "online":
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


def _send(run: RunFolder, fit: str, rows: list[dict], mode: Mode) -> str:
    fields = {"id": f"{run.id}-{fit}", "group": run.id, "config": run.read_spec().get("values", {})}
    advice = "nothing is lost: upload it again where there is a network."
    with wandb_run(run.logs, f"{run.id} {fit}", mode=mode, advice=advice, **fields) as whole:
        for row in rows:
            numbers = {
                f"{row.get('kind', 'value')}/{key}": value
                for key, value in row.items()
                if key != "step" and isinstance(value, int | float)
            }
            whole.log(numbers | {"step": row.get("step", 0)})
        whole.summary.update({key: value for key, value in run.read_summary().items() if key != "main"})
    return whole.id
