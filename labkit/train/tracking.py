"""Metric rows go to the run folder and its mirrors, and a progress bar or one line per epoch to the screen.

The run folder is the truth. TensorBoard and Weights & Biases mirror it; a mirror that is missing, unreachable
or broken is switched off with one warning and never stops a training. W&B is off by default.
"""

import json
import os
import re
import secrets
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from typing import Any, TextIO, cast

from labkit import distributed
from labkit.run_folder import RunFolder, atomic_write, make_folder, read_json
from labkit.run_folder.wandb_run import Mode, start_wandb


class Tracker:
    """Writes metric rows: each to the run folder first, then to the mirrors that are on.

    wandb: "offline", "online" or "disabled"; None takes the environment's WANDB_MODE, else "disabled".
    `fit` calls `begin` around each training; `log` works without a mirror at any time.
    """

    def __init__(self, run: RunFolder, *, tensorboard: bool = True, wandb: str | None = None):
        self.run = run
        wandb = wandb or os.environ.get("WANDB_MODE", "disabled")
        self._kinds: list[Callable] = [TensorBoard] if tensorboard and find_spec("tensorboard") else []
        if wandb in ("offline", "online"):
            self._kinds.append(partial(WeightsAndBiases, mode=cast(Mode, wandb)))
        self._mirrors: list[Any] = []

    @contextmanager
    def begin(self, fit: str, step: int, settings: dict[str, Any]) -> Iterator["Tracker"]:
        """Open the mirrors of one fit that goes on after `step`; close them at the end of the block."""
        if distributed.is_main():
            for kind in self._kinds:
                self._guarded(lambda make=kind: self._mirrors.append(make(self.run, fit, step, settings)))  # type: ignore[misc]
        try:
            yield self
        finally:
            for mirror in list(self._mirrors):
                self._guarded(mirror.close, mirror)
            self._mirrors.clear()

    def log(self, row: dict[str, Any]) -> None:
        """Append one row of plain numbers; "step" is its place and "kind" the family of its curves."""
        if not distributed.is_main():
            return
        self.run.append_metrics(row)
        kind = row.get("kind", "value")
        numbers = {f"{kind}/{k}": v for k, v in row.items() if k != "step" and isinstance(v, int | float)}
        for mirror in list(self._mirrors):
            self._guarded(partial(mirror.log, numbers, row.get("step", 0)), mirror)

    def _guarded(self, action: Callable[[], None], mirror: Any = None) -> None:
        """Let a mirror act; one that fails is switched off, with a warning."""
        try:
            action()
        except Exception as error:  # whatever a tracker raises, the run folder has the numbers
            if mirror in self._mirrors:
                self._mirrors.remove(mirror)
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            warnings.warn(
                f"A tracker failed and is off from here on ({reason}); training goes on and "
                f"{self.run.metrics_log} has every number.",
                stacklevel=3,
            )


class TensorBoard:
    """Event files under logs/tensorboard/<fit>: `tensorboard --logdir runs`."""

    def __init__(self, run: RunFolder, fit: str, step: int, settings: dict[str, Any]):
        from torch.utils.tensorboard import SummaryWriter

        folder = run.logs / "tensorboard" / fit
        # TensorBoard reads the files in the order of their names, and a name tells whole seconds alone.
        while any(folder.glob(f"events.out.tfevents.{int(time.time()):010d}.*")):
            time.sleep(0.05)
        # An interrupted attempt may have written past its checkpoint: those points are taken back.
        self.writer = SummaryWriter(str(folder), purge_step=step + 1)
        self.close = self.writer.close

    def log(self, numbers: dict[str, float], step: int) -> None:
        for key, value in numbers.items():
            self.writer.add_scalar(key, value, step)


class WeightsAndBiases:
    """One W&B run per attempt, grouped by run folder: segments of one id would overwrite each other."""

    def __init__(self, run: RunFolder, fit: str, step: int, settings: dict[str, Any], *, mode: Mode):
        path = run.logs / "wandb.json"  # keeps the run's id at W&B, and how often each fit was attempted
        known: dict[str, Any] = {"id": f"{run.id}-{secrets.token_hex(4)}", "attempts": {}} | read_json(path)
        attempt = known["attempts"][fit] = known["attempts"].get(fit, 0) + 1
        make_folder(run.logs)
        atomic_write(path, json.dumps(known))
        group = re.sub("[^A-Za-z0-9_-]", "-", known["id"])
        self.run = start_wandb(
            run.logs,
            f"{run.id} {fit} #{attempt}",
            mode=mode,
            id=f"{group}-{fit}-{attempt}",
            group=group,
            config=settings | {"resumed_after_step": step},
        )
        self.close = self.run.finish

    def log(self, numbers: dict[str, float], step: int) -> None:
        self.run.log(numbers | {"step": step})


class Progress:
    """Progress of a fit: a bar in a terminal or a notebook, else one line per epoch.

    show: True for the bar, False for silence, None to choose by where the output goes.
    """

    def __init__(self, name: str, total_steps: int, *, step: int = 0, show: bool | None = None):
        self.name, self.total, self.bar = name, total_steps, None
        self.silent = show is False or not distributed.is_main()
        recorded = os.environ.get("LABKIT_QUIET") or os.environ.get("LABKIT_RUN_DIR")  # nobody watches a bar there
        if self.silent or not (show or (not recorded and (_in_jupyter() or sys.stderr.isatty()))):
            return
        with suppress(ImportError), warnings.catch_warnings():
            from tqdm.auto import tqdm

            warnings.simplefilter("ignore")  # tqdm warns of a missing ipywidgets at each bar
            bar = {"total": total_steps, "initial": step, "desc": name, "unit": "step"}
            self.bar = tqdm(**bar, dynamic_ncols=True, mininterval=0.2)

    def advance(self, row: dict[str, Any]) -> None:
        """Move the bar to the row's step and show its loss (nothing is read from the device for it)."""
        if self.bar is not None:
            self.bar.set_postfix({k: f"{row[k]:.3g}" for k in ("loss", "lr") if k in row}, refresh=False)
            self.bar.update(row["step"] - self.bar.n)

    def epoch(self, row: dict[str, Any], seconds: float) -> None:
        """Print an epoch's numbers in one line."""
        place = f"{self.name}: epoch {row['epoch']}, step {row['step']}/{self.total}"
        numbers = {k: v for k, v in row.items() if isinstance(v, float | int) and k not in ("epoch", "step", "lr")}
        line = f"{place}: {', '.join(f'{k} {v:.4g}' for k, v in numbers.items())} ({seconds:.1f} s)"
        if self.bar is not None:
            self.bar.update(row["step"] - self.bar.n)
            self.bar.write(line, file=screen())
        elif not self.silent:
            print(line, file=screen(), flush=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error) -> None:
        if self.bar is not None:
            self.bar.close()


def screen() -> TextIO:
    """Return where lines of progress go: a notebook colors stderr like an error."""
    return sys.stdout if _in_jupyter() else sys.stderr


def _in_jupyter() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None
