"""A submission's bytes, read without trusting them: regular files, capped, never followed or parsed."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

SUFFIXES = (".py", ".ipynb", ".zip")
MAX_FILE, MAX_TOTAL, MAX_FILES, MAX_LOOKED = 20 << 20, 60 << 20, 400, 20_000
SKIPPED = {"__pycache__", "__MACOSX", ".git", ".venv", "venv", "node_modules", ".ipynb_checkpoints", "data", "runs"}


@dataclass
class Files:
    """Names and contents of what was handed in, and one sentence for each thing that was left out."""

    contents: dict[str, bytes] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    problem: str = ""
    name: str = "submission"


def read(path: str | Path) -> Files:
    """Return the files of a submission: a folder, a .py, an .ipynb or a .zip."""
    path = Path(path)
    files = Files(name=path.name or str(path))
    try:
        mode = path.lstat().st_mode
    except OSError:
        return Files(problem=f"There is no file {path.name!r}.", name=files.name)
    if stat.S_ISDIR(mode):
        for file in _walk(path, files):
            _take(file, str(file.relative_to(path)), files)
    elif stat.S_ISLNK(mode):
        files.problem = f"{path.name!r} is a symbolic link; hand in the file itself."
        return files
    else:
        _take(path, path.name, files)
    if not files.contents:
        files.problem = " ".join(files.left_out[:3]) or "Nothing was handed in: no .py, .ipynb or .zip file."
    elif not any(raw.strip() for raw in files.contents.values()):
        files.problem = "Every file that was handed in is empty."
    return files


def _walk(root: Path, files: Files):
    seen = 0
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(f for f in folders if f not in SKIPPED and not os.path.islink(os.path.join(folder, f)))
        for name in sorted(names):
            seen += 1
            if seen > MAX_LOOKED or len(files.contents) >= MAX_FILES:
                files.left_out.append(f"Only the first {MAX_FILES} files were read.")
                return
            if name.lower().endswith(SUFFIXES):
                yield Path(folder) / name


def _take(path: Path, name: str, files: Files) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        files.left_out.append(f"{name!r} is a symbolic link or cannot be read.")
        return
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            files.left_out.append(f"{name!r} is not a regular file.")
            return
        room = min(MAX_FILE, MAX_TOTAL - sum(map(len, files.contents.values())))
        content = file.read(room + 1)
    if len(content) > room:
        files.left_out.append(f"{name!r} is larger than {MAX_FILE >> 20} MB (or all files than {MAX_TOTAL >> 20} MB).")
    else:
        files.contents[name.encode(errors="replace").decode(errors="replace")] = content
