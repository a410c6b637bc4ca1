"""A submission's bytes, read without trusting them: regular files, capped, never followed or parsed."""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from autograder.engine.confined.wire import printable

# what browsers and portals add to a name is no part of it: lab03.ipynb.json, main.py.txt
READABLE = re.compile(r"\.(py|ipynb|zip|tgz|tar(\.(gz|bz2|xz))?)(?=(\.(txt|json|download))*$)", re.I)
MAX_FILE, MAX_TOTAL, MAX_FILES, MAX_LOOKED = 20 << 20, 60 << 20, 400, 200_000
SKIPPED = {"__pycache__", "__MACOSX", ".git", ".venv", "venv", "node_modules", ".ipynb_checkpoints"}


@dataclass
class Files:
    """Names and contents of what was handed in, and one sentence for each thing that was left out."""

    contents: dict[str, bytes] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    problem: str = ""
    name: str = "submission"


def shown(path: str | Path) -> str:
    """Return a path as text that can be printed and saved, bytes that are not UTF-8 as \\xfc."""
    return printable(os.fsencode(path).decode(errors="backslashreplace")).replace("\n", "\\n")


def stem(name: str) -> str:
    """Return a file's name without the ending that says its kind: anna.meier of anna.meier.tar.gz."""
    found = READABLE.search(name)
    return name[: found.start()] or name if found else name


def read(path: str | Path) -> Files:
    """Return the files of a submission: a folder, a .py, an .ipynb, a .zip or a .tar."""
    path = Path(path)
    files = Files(name=shown(path.name or path))
    try:
        mode = path.lstat().st_mode
    except OSError:
        return Files(problem=f"There is no file {files.name!r}.", name=files.name)
    if stat.S_ISDIR(mode):
        for file in _walk(path, files):
            _take(file, shown(file.relative_to(path)), files)
    elif stat.S_ISLNK(mode):
        files.problem = f"{files.name!r} is a symbolic link; hand in the file itself."
        return files
    elif READABLE.search(path.name):
        _take(path, files.name, files)
    else:
        files.problem = f"{files.name!r} cannot be read: hand in a .py, .ipynb or .zip file."
        return files
    if files.name != (path.name or str(path)):
        files.left_out.append(f"The name {files.name!r} is not plain text in UTF-8.")
    if not files.contents:
        files.problem = " ".join(files.left_out[:3]) or "Nothing was handed in: no .py, .ipynb or .zip file."
    elif not any(raw.strip() for raw in files.contents.values()):
        files.problem = "Every file that was handed in is empty."
    return files


def _walk(root: Path, files: Files):
    """Yield what can be read below a folder, what lies near the top first."""
    seen, waiting = 0, [root]
    for folder in waiting:  # grows while it is read
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            files.left_out.append(f"The folder {shown(folder.name)!r} cannot be read ({error.strerror}).")
            continue
        for entry in entries:
            seen += 1
            if seen > MAX_LOOKED or len(files.contents) >= MAX_FILES:
                files.left_out.append(f"Only the first {MAX_FILES} files were read.")
                return
            if entry.is_dir(follow_symlinks=False) and entry.name not in SKIPPED:
                waiting.append(Path(entry.path))
            elif READABLE.search(entry.name) and not entry.is_dir():
                yield Path(entry.path)


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
        start, ending = stem(name), READABLE.search(name)[0].lower()
        while start + ending in files.contents:  # d.ipynb beside d.ipynb.json
            start += " again"
        files.contents[start + ending] = content
