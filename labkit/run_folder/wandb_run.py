"""Weights & Biases: the one place that begins a run there; wandb is imported when it is called."""

import os
import re
from pathlib import Path
from typing import Any, Literal

from labkit.run_folder.errors import LabError

Mode = Literal["offline", "online"]
PATIENCE_S = 30  # how long to wait for the server


def wandb_mode() -> Mode | None:
    """Return WANDB_MODE where it is "offline" or "online"; W&B is off otherwise."""
    modes: dict[str, Mode] = {"offline": "offline", "online": "online"}
    return modes.get(os.environ.get("WANDB_MODE", ""))


def start_wandb(folder: str | Path, name: str, *, mode: Mode, id: str | None = None, **fields: Any) -> Any:
    """Return a new W&B run, which the caller finishes.

    folder: where wandb writes. mode: "offline" or "online". id: letters that wandb refuses become dashes.
    fields: further arguments of `wandb.init`. Raises LabError where the package is missing.
    """
    try:
        import wandb
    except ImportError:
        raise LabError("Weights & Biases needs its package: pip install wandb") from None
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "labkit"),
        dir=str(folder),
        mode=mode,
        name=name,
        id=id and re.sub("[^A-Za-z0-9_-]", "-", id),
        reinit="create_new",
        settings=wandb.Settings(silent=True, console="off", init_timeout=PATIENCE_S, login_timeout=PATIENCE_S),
        **fields,
    )
    run.define_metric("*", step_metric="step")
    return run
