"""The library as it is at submission: what is edited while a job waits does not change the job."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import labkit
from labkit.paths import runs_dir
from labkit.records import make_folder, write_error

CODE = ".code"  # in the folder of the runs: one folder per state of the library


def place(package: Path | None = None) -> Path:
    """Return the folder that holds, or shall hold, the copy of the library as it is now."""
    package = package or Path(labkit.__file__).parent
    key = hashlib.sha256()
    for path in _files(package):
        key.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes())
    return runs_dir() / CODE / key.hexdigest()[:16]


def freeze(package: Path | None = None) -> Path:
    """Copy the library there, where that was not done before; return the folder. Raises LabError."""
    package = package or Path(labkit.__file__).parent
    target = place(package)
    if target.is_dir():
        return target
    make_folder(target.parent)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as folder:
            copy = Path(folder) / "copy"
            for path in _files(package):
                to = copy / package.name / path.relative_to(package)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, to)
            os.rename(copy, target)  # whole or not at all
    except OSError as error:
        if not target.is_dir():  # somebody else was faster
            raise write_error(target, error) from error
    return target


def _files(package: Path) -> list[Path]:
    return [path for path in sorted(package.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
