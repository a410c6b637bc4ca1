"""Sending finished runs to Weights & Biases later, from a machine with a network: one complete run per fit.

Offline segments that share an id overwrite each other on the server (wandb #3841, #5865), and an interrupted
run has several. So none of them is sent: metrics.jsonl holds the whole history, and that is what goes up.
"""

import json
import os
import re

from labkit.run_folder import LabError, RunFolder, atomic_write, to_json

SENT = "wandb_sent.json"  # in the run's logs: the ids of what has gone up


def send(run: RunFolder, *, mode: str = "online") -> list[str]:
    """Upload each fit of a finished run that was not uploaded before; return the new W&B ids.

    mode: "offline" writes the same complete runs to the run's logs instead. Raises LabError where the run is
    not done, where wandb is missing, or where the server does not take it.
    """
    if run.read_status().get("state") != "done":
        raise LabError(f"{run.id} is not done: only finished runs are sent, each as one whole.")
    sent, rows = _sent(run), run.read_metrics()
    fits = dict.fromkeys(row["fit"] for row in rows if "fit" in row)
    new = {}
    for fit in fits:
        if fit not in sent:
            new[fit] = _send(run, fit, [row for row in rows if row.get("fit") == fit], mode)
            if mode == "online":
                atomic_write(run.logs / SENT, to_json(sent | new))
    return list(new.values())


def _send(run: RunFolder, fit: str, rows: list[dict], mode: str) -> str:
    try:
        import wandb
    except ImportError:
        raise LabError("Weights & Biases needs its package: pip install wandb") from None
    name = re.sub("[^A-Za-z0-9_-]", "-", f"{run.id}-{fit}")
    try:
        whole = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "labkit"),
            dir=str(run.logs),
            mode=mode,
            id=name,
            group=run.id,
            name=f"{run.id} {fit}",
            config=run.read_spec().get("values", {}),
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )
        whole.define_metric("*", step_metric="step")
        for row in rows:
            numbers = {
                f"{row.get('kind', 'value')}/{key}": value
                for key, value in row.items()
                if key != "step" and isinstance(value, int | float)
            }
            whole.log(numbers | {"step": row.get("step", 0)})
        whole.summary.update({key: value for key, value in run.read_summary().items() if key != "main"})
        whole.finish()
    except Exception as error:  # wandb raises errors of many kinds for a network that is away
        raise LabError(
            f"W&B did not take {run.id} ({type(error).__name__}: {error}); nothing is lost, send "
            "it again where there is a network."
        ) from error
    return name


def _sent(run: RunFolder) -> dict[str, str]:
    try:
        return json.loads((run.logs / SENT).read_text())
    except (OSError, ValueError):
        return {}
