"""A whole class: grade every submission of a folder in parallel, resumably, and keep one record for each."""

import hashlib
import json
import os
import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from autograder import labs
from autograder.draw import new_seed
from autograder.engine import files
from autograder.engine.fork_server import ForkServer
from autograder.grading import Report, Result, grade, result_of
from labkit.run_folder import LabError, atomic_write

# what systems and portals put beside submissions
COMPANION = re.compile(
    r"(\.DS_Store|Thumbs\.db|desktop\.ini|__MACOSX|__pycache__|\.git|\.ipynb_checkpoints|\._.*)$", re.I
)


def submissions(folder: Path, without: Iterable[Path] = ()) -> list[Path]:
    """Return what was handed in: everything in `folder`, readable or not, one entry for each student.

    Left out: what systems put beside files, and the grader's own tables (`without`).
    """
    left_out = {Path(one).resolve() for one in without}
    found = [
        path
        for path in sorted(folder.iterdir())
        if not COMPANION.match(path.name) and path.parent.resolve() / path.name not in left_out
    ]
    if not any(path.is_dir() or files.READABLE.search(path.name) for path in found):
        raise LabError(f"There is no submission in {folder}: no folder, .py, .ipynb or .zip.")
    return found


def students(paths: list[Path]) -> dict[Path, str]:
    """Return a name for each entry, no two alike: the folder's or file's, whole, without a known ending.

    Where two would be alike (ada/ and ada.zip), each keeps its ending.
    """
    whole = {path: files.shown(path.name) for path in paths}
    short = {path: name if path.is_dir() else files.stem(name) for path, name in whole.items()}
    times = Counter([*short.values(), *{path: name for path, name in whole.items() if name != short[path]}.values()])
    return {path: name if times[name] == 1 else whole[path] for path, name in short.items()}


def is_class(lab: str, folder: Path) -> bool:
    """Say whether a folder seems to hold several submissions: archives, or entries that define the same names."""
    about = labs.module(lab).LAB
    defined = re.compile(rf"\b(?:class|def)\s+({'|'.join(about.names)})\b".encode())
    seen: Counter = Counter()
    for path in sorted(folder.iterdir()):
        if path.name in about.files:
            return False
        contents = {} if COMPANION.match(path.name) else files.read(path).contents
        archives = [b"archive" for name in contents if not name.endswith((".py", ".ipynb"))]
        seen.update({*archives, *(name for raw in contents.values() for name in defined.findall(raw))})
    return any(times > 1 for times in seen.values())


def file_name(path: Path) -> str:
    """Return the name of an entry's record and page: its own, shortened and numbered where no file can be called so."""
    name = files.shown(path.name).replace("/", "_")
    plain = name == path.name and len(os.fsencode(path.name)) <= 150
    return name if plain else f"{name[:50]}-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]}"


def grade_class(
    lab: str,
    paths: Iterable[Path],
    records: Path,
    *,
    jobs: int | None = None,
    seed: int | None = None,
    follow: Callable[[Report], None] = lambda report: None,
    server: ForkServer | None = None,
) -> list[Report]:
    """Return the reports on all submissions, in order; those whose record is already there are not run again.

    records: a folder of one JSON per submission. A record counts if the submission's bytes, the lab and the
    seed are the same; without a seed, that of the earlier grading goes on. server: one that is open already.
    """
    records.mkdir(parents=True, exist_ok=True)
    paths = list(paths)
    named = students(paths)
    seed, jobs = _class_seed(records, seed), jobs or 2 * (os.cpu_count() or 1)
    with nullcontext(server) if server else ForkServer() as one_server, ThreadPoolExecutor(jobs) as pool:

        def one(path: Path) -> Report:
            try:
                report = _graded(lab, path, records / f"{file_name(path)}.json", seed, one_server)
            except LabError:
                raise
            except Exception as error:
                traceback.print_exc()
                report = _ungraded(lab, path, seed, error)
            report.student = named[path]
            follow(report)
            return report

        return list(pool.map(one, paths))


def _class_seed(records: Path, seed: int | None) -> int:
    note = records / "_seed.json"
    if seed is None:
        try:
            return int(json.loads(note.read_text())["seed"])
        except (OSError, ValueError, KeyError, TypeError):
            seed = new_seed()
    atomic_write(note, json.dumps({"seed": seed}))
    return seed


def _graded(lab: str, path: Path, record: Path, seed: int, server: ForkServer) -> Report:
    handed_in = files.read(path)
    print_of = {"seed": seed, "lab": lab, "bytes": fingerprint(handed_in)}
    try:
        kept = json.loads(record.read_text())
        if kept["of"] == print_of:
            return from_record(kept["report"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    report = grade(lab, handed_in, server, seed=seed, stub=labs.stub(lab))
    atomic_write(record, json.dumps({"of": print_of, "report": asdict(report)}, indent=1))
    return report


def _ungraded(lab: str, path: Path, seed: int, error: Exception) -> Report:
    """Return the report on an entry on which the grader itself failed; no record of it is kept."""
    told = files.printable(f"The grader itself failed here ({type(error).__name__}: {error}); grade again.")
    checks = [result_of(one, 0.0, "error", told, "grader") for one in labs.checks(labs.module(lab))]
    return Report(labs.stem(lab), files.shown(path.name), seed, checks)


def fingerprint(handed_in: files.Files) -> str:
    """Return what changes whenever a submission does."""
    digest = hashlib.sha256(handed_in.problem.encode())
    for name, raw in sorted(handed_in.contents.items()):
        digest.update(f"{name}\0{len(raw)}\0".encode(errors="replace") + raw)
    return digest.hexdigest()


def from_record(kept: dict) -> Report:
    return Report(**(kept | {"results": [Result(**one) for one in kept["results"]]}))
