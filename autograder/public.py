"""What students call: the public checks of a lab on their own file, as a table within seconds."""

import contextlib
import functools
import gc
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.engine.fork_server import LIGHT, ForkServer
from labkit.run_folder import LabError, repo_root

if TYPE_CHECKING:
    from autograder.grading import Report


@functools.cache
def start() -> ForkServer:
    """Return the fork server, started once: it takes seconds to load torch, and one check alone waits."""
    return ForkServer(LIGHT)


def check(lab: str, path: str | Path | None = None) -> None:
    """Print how far a lab has come: its public checks on `path`, or on the file in assignments/.

    Hidden checks exist as well; full marks here are necessary, not sufficient.
    """
    found = report(lab, path)
    from autograder.classroom.report import to_text

    print(to_text(found))


def report(lab: str, path: str | Path | None = None) -> "Report":
    """Return the report of the public checks. Raises LabError where there is no such lab or file."""
    from autograder import labs

    stem = labs.stem(lab)
    if path and not Path(path).exists():
        raise _absent(lab, Path(path))
    server = start()  # before the imports below: the two processes load torch at the same time
    with _without_collector():
        from autograder.grading import grade

        checked = labs.module(stem)
    described = checked.LAB
    if not labs.checks(checked, visible_only=True):
        raise LabError(f"{lab} has no public checks: hand it in, and your teacher's checks grade it.")
    path = Path(path) if path else repo_root() / "assignments" / stem / described.files[0]
    if not path.exists():
        raise _absent(lab, path)
    return grade(stem, path, server, visible_only=True)


@contextlib.contextmanager
def _without_collector():
    """Import without the garbage collector, which finds nothing there and takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _absent(lab: str, path: Path) -> LabError:
    return LabError(f"There is no {path}. Give the path of your file: check({lab!r}, 'my/file.py').")
