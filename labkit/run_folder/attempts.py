"""Attempts at one run: the newest owns the run folder, and an older one that still lives writes nothing more.

When a node is lost, Slurm starts its job elsewhere while the old processes may go on. Each attempt therefore
makes `attempts/<number>` with O_EXCL; whoever writes looks first whether a higher number has come. The look
is one listing of a small folder (opening it makes NFS ask the server), done right before the write.
"""

import os
from pathlib import Path

from labkit.run_folder.errors import Superseded

ATTEMPT_VARIABLE = "LABKIT_ATTEMPT"  # "<number>:<run folder>", inherited by kernels and ranks


def begin(folder: str | Path) -> int:
    """Make this process, and all it starts, the newest attempt at the run in `folder`; return its number."""
    folder = Path(folder).resolve()
    (folder / "attempts").mkdir(exist_ok=True)
    number = newest(folder) + 1
    while True:
        try:
            os.close(os.open(folder / "attempts" / str(number), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:  # another process took it meanwhile
            number += 1
        else:
            join(folder, number)
            return number


def join(folder: str | Path, number: int) -> None:
    """Make this process, and all it starts, part of attempt `number` at the run in `folder`."""
    os.environ[ATTEMPT_VARIABLE] = f"{number}:{Path(folder).resolve()}"


def newest(folder: str | Path) -> int:
    """Return the number of the newest attempt (0: there was none)."""
    try:
        names = os.listdir(Path(folder) / "attempts")
    except FileNotFoundError:
        return 0
    return max((int(name) for name in names if name.isdigit()), default=0)


def superseded() -> bool:
    """Return whether a newer attempt than this process's has begun."""
    number, folder = _ours()
    return bool(number) and newest(folder) > number


def refuse_if_superseded(path: str | Path) -> None:
    """Raise Superseded where `path` lies in the run of this attempt and a newer attempt owns that run."""
    number, folder = _ours()
    if number and os.path.abspath(path).startswith(folder + os.sep) and newest(folder) > number:
        raise Superseded(f"Attempt {newest(folder)} at {folder} has begun: attempt {number} writes no more.")


def _ours() -> tuple[int, str]:
    number, _, folder = os.environ.get(ATTEMPT_VARIABLE, "").partition(":")
    return (int(number), folder) if number.isdigit() else (0, "")
