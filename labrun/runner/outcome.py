"""How a run ended: one state, one exit code, one sentence."""

import re
import signal
from dataclasses import dataclass

EXIT_CODES = {"done": 0, "failed": 1, "cancelled": 1, "died": 70, "timeout": 71, "interrupted": 75}
SPEC_WRONG = 2
SUPERSEDED = 76  # another attempt owns the run now; this one wrote nothing


class StoppedBetweenCells(Exception):
    """The stop flag was seen before a cell began."""


@dataclass(frozen=True)
class Outcome:
    """cell: the number (from 1, injected parameters counted) of the cell that ended the run, if one did."""

    state: str
    exit_code: int
    message: str = ""
    cell: int | None = None


def failed_cell(ename: str, evalue: str, cell: int | None) -> Outcome:
    """Return the outcome of an exception in a cell: of a LabError its sentence alone; Interrupted is no failure."""
    sentence = shortened(_without_colors(evalue).strip(), 2000)
    if ename == "Interrupted":
        return Outcome("interrupted", 75, sentence or "Training has saved and stopped.", cell)
    if ename == "SystemExit" and sentence in ("", "0", "None", "False"):
        return Outcome("done", 0, f"Cell {cell} ended the notebook early (sys.exit).", cell)
    message = sentence if ename == "LabError" and sentence else f"{ename}: {sentence}".rstrip(": ")
    return Outcome("failed", 1, message, cell)


def dead_kernel(exit_status: int | None, cell: int | None, error: Exception) -> Outcome:
    """Return the outcome of a kernel that is no more; a negative exit status is the signal that ended it."""
    where = f"in cell {cell}" if cell else "before the first cell"
    if exit_status is None:
        why = _without_colors(str(error)).strip().splitlines()[-1] if str(error).strip() else "it has disappeared"
    elif exit_status >= 0:
        why = f"exit code {exit_status}"
    elif -exit_status == signal.SIGKILL:
        why = "killed by signal 9: most often the machine ran out of memory, try a smaller batch_size"
    else:
        why = f"signal {-exit_status}, {signal.Signals(-exit_status).name}"
    return Outcome("died", 70, f"The kernel died {where} ({why}).", cell)


def _without_colors(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def shortened(text: str, limit: int) -> str:
    """Return a text of at most about `limit` characters: its beginning and its end."""
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]} [... {len(text) - limit:,} characters ...] {text[-(limit - limit // 2) :]}"
