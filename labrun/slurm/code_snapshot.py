"""The code as it is at submission: what is edited while a job waits does not change the job."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import labkit
from labkit.run_folder import make_folder, runs_dir, write_error

PACKAGES = ("labkit", "labrun")
FOLDER = ".code"  # in the folder of the runs: one folder per state of the two packages


def snapshot_folder(root: Path | None = None) -> Path:
    """Return the folder for a copy of the two packages (below `root`) as they are now."""
    root = root or Path(labkit.__file__).parents[1]
    key = hashlib.sha256()
    found = (path for package in PACKAGES for path in sorted((root / package).rglob("*")))
    for path in (path for path in found if path.is_file() and "__pycache__" not in path.parts):
        key.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return runs_dir() / FOLDER / key.hexdigest()[:16]


def take_snapshot(root: Path | None = None) -> Path:
    """Copy the two packages there, where that was not done before; return the folder. Raises LabError."""
    root = root or Path(labkit.__file__).parents[1]
    target = snapshot_folder(root)
    if target.is_dir():
        return target
    make_folder(target.parent)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as folder:
            copy = Path(folder) / "copy"
            for package in PACKAGES:
                shutil.copytree(root / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
            os.rename(copy, target)  # complete or not at all
    except OSError as error:
        if not target.is_dir():  # another process was faster
            raise write_error(target, error) from error
    return target
