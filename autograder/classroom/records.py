"""A whole class: grade every submission of a folder in parallel, resumably, and keep one record for each."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from autograder import labs
from autograder.draw import new_seed
from autograder.engine import files
from autograder.engine.fork_server import ForkServer
from autograder.grading import Report, Result, grade
from labkit.run_folder import LabError, atomic_write


def submissions(folder: Path) -> list[Path]:
    """Return what was handed in: every folder, .py, .ipynb and .zip in `folder`, one for each student."""
    found = [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith((".", "__")) and (path.is_dir() or path.suffix in files.SUFFIXES)
    ]
    if not found:
        raise LabError(f"There is no submission in {folder}: no folder, .py, .ipynb or .zip.")
    return found


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
    seed, jobs = _class_seed(records, seed), jobs or 2 * (os.cpu_count() or 1)
    with nullcontext(server) if server else ForkServer() as one_server, ThreadPoolExecutor(jobs) as pool:

        def one(path: Path) -> Report:
            report = _graded(lab, path, records / f"{path.name}.json", seed, one_server)
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


def fingerprint(handed_in: files.Files) -> str:
    """Return what changes whenever a submission does."""
    digest = hashlib.sha256(handed_in.problem.encode())
    for name, raw in sorted(handed_in.contents.items()):
        digest.update(f"{name}\0{len(raw)}\0".encode(errors="replace") + raw)
    return digest.hexdigest()


def from_record(kept: dict) -> Report:
    return Report(**(kept | {"results": [Result(**one) for one in kept["results"]]}))
