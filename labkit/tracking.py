"""Where numbers go while training: the run folder, then TensorBoard and Weights & Biases, and what a person sees.

The run folder is the truth. A mirror that is missing, unreachable or broken is switched off with one warning.
"""

import os
import sys
import warnings
from typing import Any

from labkit.distributed import is_main
from labkit.records import RunFolder


class Tracker:
    """Writes the metric rows of one fit: `log` appends to metrics.jsonl and mirrors the numbers."""

    def __init__(self, run: RunFolder, *, fit: str = "model", step: int = 0, tensorboard: bool = True):
        self.run, self.fit = run, fit

    def log(self, row: dict[str, Any]) -> None:
        """Append one row (plain numbers; "step" is its place) to metrics.jsonl, then to the mirrors."""
        if not is_main():
            return
        self.run.append_metrics(row)

    def close(self) -> None:
        """Flush and close the mirrors."""

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, *error) -> None:
        self.close()


class Progress:
    """What a person sees of a fit: a bar in a terminal or a notebook, else one line per epoch.

    show: True for the bar, False for silence, None to choose by where the output goes.
    """

    def __init__(self, name: str, total_steps: int, *, step: int = 0, show: bool | None = None):
        self.name, self.total = name, total_steps
        self.silent = show is False or not is_main()
        self.bar = _bar(name, total_steps, step) if not self.silent and (show or _someone_watches()) else None

    def advance(self, row: dict[str, Any]) -> None:
        """Move the bar to the row's step and show its loss (nothing is read from the device for it)."""
        if self.bar is not None:
            self.bar.set_postfix({k: f"{row[k]:.3g}" for k in ("loss", "lr") if k in row}, refresh=False)
            self.bar.update(row["step"] - self.bar.n)

    def epoch(self, row: dict[str, Any], seconds: float) -> None:
        """Tell how an epoch went, in one line."""
        place = f"{self.name}: epoch {row['epoch']}, step {row['step']}/{self.total}"
        line = f"{place}: {_told(row)} ({seconds:.1f} s)"
        if self.bar is not None:
            self.bar.update(row["step"] - self.bar.n)
            self.bar.write(line)
        elif not self.silent:
            print(line, file=sys.stdout if _in_jupyter() else sys.stderr, flush=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error) -> None:
        if self.bar is not None:
            self.bar.close()


def _told(row: dict[str, Any]) -> str:
    """Return the numbers of an epoch's row as text."""
    skipped = ("epoch", "step", "lr")
    pairs = [(k, v) for k, v in row.items() if isinstance(v, float | int) and k not in skipped]
    return ", ".join(f"{key} {value:.4g}" for key, value in pairs)


def _someone_watches() -> bool:
    """Say whether a moving bar reaches a person: not in a log, not in a notebook that a runner executes."""
    if os.environ.get("LABKIT_QUIET") or os.environ.get("LABKIT_RUN_DIR"):
        return False
    return _in_jupyter() or sys.stderr.isatty()


def _in_jupyter() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


def _bar(name: str, total: int, step: int):
    """Return a tqdm bar that suits the place, or None without tqdm."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")         # tqdm tells about a missing ipywidgets on each bar
        return tqdm(total=total, initial=step, desc=name, unit="step", dynamic_ncols=True, mininterval=0.2)
