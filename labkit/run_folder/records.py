"""The run folder: what every run writes and where; each file is written whole or not at all."""

import atexit
import errno
import itertools
import json
import math
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from labkit.run_folder.attempts import refuse_if_superseded
from labkit.run_folder.errors import LabError, unknown_name
from labkit.run_folder.paths import runs_dir
from labkit.run_folder.processes import process_identity

STATES = ("queued", "running", "done", "failed", "died", "timeout", "interrupted", "cancelled")

RUN_DIR_VARIABLE = "LABKIT_RUN_DIR"

_serial = itertools.count()  # two threads that write one file need two temporary names


def atomic_write(path: str | Path, content: str | bytes | memoryview) -> Path:
    """Put `content` at `path` so that a reader, or a kill at any moment, finds the old file or the new one.

    Raises LabError where the disk is full or the folder read-only (the old file is then still whole), and
    Superseded in a run of which another attempt has begun.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_serial)}.tmp")
    data = content.encode() if isinstance(content, str) else content
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        refuse_if_superseded(path)
        os.replace(temporary, path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    return path


def write_error(path: Path, error: OSError, *, variable: str = "LABKIT_RUNS") -> LabError:
    """Return the sentence for a write that the system refused; `variable` sets the folder it went to."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        advice = "the disk (or your quota) is full; free some space and start again"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = f"the folder is read-only for you; change its rights or choose another with {variable}"
    elif error.errno in (errno.EEXIST, errno.ENOTDIR):
        advice = f"it, or a folder above it, is a file; name a folder with {variable}"
    else:
        advice = error.strerror or str(error)
    return LabError(f"Cannot write {path}: {advice}. What was saved before is untouched.")


def make_folder(path: Path) -> None:
    """Make a folder and those above it where they are missing. Raises LabError where that is refused."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from error


def plain(value: object) -> object:
    """Return `value` as JSON can hold it: NaN as null, infinities as "inf"/"-inf", arrays as lists."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if hasattr(value, "tolist"):  # a tensor, an array or one of their scalars
        return plain(value.tolist())
    return str(value)


def to_json(value: object, *, indent: int | None = 1) -> str:
    """Return `value` as JSON text that every parser accepts."""
    return json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


@dataclass(init=False, unsafe_hash=True)
class RunFolder:
    """One run on disk: spec, status, environment, metrics, timings, executed notebook, checkpoints, logs."""

    path: Path

    def __init__(self, path: str | Path):
        self.path = path = Path(path)
        self.id = path.name
        self.spec_file, self.status_file, self.env_file = path / "spec.json", path / "status.json", path / "env.json"
        self.metrics_log, self.metrics_file = path / "metrics.jsonl", path / "metrics.json"
        self.timings_file, self.stop_flag = path / "timings.json", path / "stop"
        self.source = path / "source.ipynb"  # the notebook as it was when the run was created
        self.notebook, self.html = path / "executed.ipynb", path / "executed.html"
        self.checkpoints, self.figures, self.logs = path / "checkpoints", path / "figures", path / "logs"
        self.log_file = self.logs / "run.log"
        self._tail_is_whole = False

    def __fspath__(self) -> str:
        return str(self.path)

    def create(self, spec: dict, *, state: str = "queued") -> "RunFolder":
        """Make the folder with its specification. Raises LabError where a run of this name exists already."""
        try:
            make_folder(self.path.parent)
            self.path.mkdir()
            for folder in (self.checkpoints, self.figures, self.logs):
                folder.mkdir()
        except FileExistsError:
            raise LabError(
                f"There is a run called {self.id!r} already, and a run is never overwritten. "
                "Choose another --name, or delete its folder."
            ) from None
        except OSError as error:
            raise write_error(self.path, error) from error
        atomic_write(self.spec_file, to_json(spec))
        self.write_status(state, created=round(time.time(), 3))
        return self

    def read_spec(self) -> dict:
        return read_json(self.spec_file)

    def write_status(self, state: str, **fields) -> None:
        """Set the state (one of STATES) and merge `fields` into what is known; None takes a field away."""
        if state not in STATES:
            raise unknown_name("run state", state, STATES)
        known = self.read_status() | {"state": state, "updated": round(time.time(), 3)} | fields
        atomic_write(self.status_file, to_json({k: v for k, v in known.items() if v is not None}))

    def read_status(self) -> dict:
        """Return the state and its fields ({} where none was ever written)."""
        return read_json(self.status_file)

    def append_metrics(self, row: dict) -> None:
        """Add one line to metrics.jsonl. No wall-clock in it: equal seeds must give equal files."""
        line = (to_json(row, indent=None) + "\n").encode()
        refuse_if_superseded(self.metrics_log)
        try:
            if not self._tail_is_whole:  # a kill may have torn the last line: the next row starts on its own
                with suppress(FileNotFoundError), open(self.metrics_log, "rb+") as file:
                    data = file.read()
                    if data and not data.endswith(b"\n"):
                        file.truncate(data.rfind(b"\n") + 1)
                self._tail_is_whole = True
            with open(self.metrics_log, "ab", buffering=0) as file:
                file.write(line)
        except OSError as error:
            self._tail_is_whole = False
            raise write_error(self.metrics_log, error) from error

    def read_metrics(self) -> list[dict]:
        """Return the rows of metrics.jsonl; a last line that a kill has torn is left out."""
        rows = []
        with suppress(FileNotFoundError):
            for line in self.metrics_log.read_bytes().splitlines():
                with suppress(ValueError):
                    rows.append(json.loads(line))
        return [row for row in rows if isinstance(row, dict)]

    def truncate_metrics(self, fit: str, step: int) -> None:
        """Drop the rows of `fit` after `step`: a resumed training writes them again."""
        kept = [r for r in self.read_metrics() if r.get("fit") != fit or r.get("step", 0) <= step]
        atomic_write(self.metrics_log, "".join(to_json(row, indent=None) + "\n" for row in kept))

    def summarize(self, main: str | None = None, **values) -> None:
        """Merge what equal seeds reproduce into metrics.json; `main` names the headline metric."""
        _merge(self.metrics_file, main, values)

    def record_timings(self, main: str | None = None, **values) -> None:
        """Merge what may differ between equal runs (seconds, images/s, memory) into timings.json."""
        _merge(self.timings_file, main, values)

    def read_summary(self) -> dict:
        """Return metrics.json: the values given to `summarize`, and the headline's name under "main"."""
        return read_json(self.metrics_file)

    def read_timings(self) -> dict:
        return read_json(self.timings_file)

    def stop_requested(self) -> bool:
        """Return whether this run shall save and stop (one stat call)."""
        return os.path.exists(self.stop_flag)


_opened: dict[str, RunFolder] = {}


def current_run() -> RunFolder:
    """Return the folder of the run this process belongs to; outside any run, a fresh `interactive-<date>-<n>`.

    A fresh one is done when this process ends.
    """
    given = os.environ.get(RUN_DIR_VARIABLE, "")
    if given or "" in _opened:
        return _opened.setdefault(given, RunFolder(given))
    stem = f"interactive-{time.strftime('%Y%m%d')}"
    for number in range(1, 10_000):
        run = RunFolder(runs_dir() / f"{stem}-{number}")
        if not run.path.exists():
            run.create({"notebook": None, "kind": "interactive"}, state="running")
            run.write_status("running", started=round(time.time(), 3), **process_identity())
            atexit.register(_finish_interactive, run, os.getpid())
            return _opened.setdefault("", run)
    raise LabError(f"{runs_dir()} holds 10,000 interactive runs of today; delete some.")


def _finish_interactive(run: RunFolder, pid: int) -> None:
    if os.getpid() == pid and run.read_status().get("state") == "running":
        with suppress(LabError):
            run.write_status("done", ended=round(time.time(), 3))


def read_json(path: Path) -> dict:
    """Return the object that a JSON file holds ({}: no file, damaged, or no object)."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _merge(path: Path, main: str | None, values: dict) -> None:
    known = read_json(path) | values
    if main is not None:
        if main not in known:
            raise unknown_name("metric", main, known)
        known["main"] = main
    atomic_write(path, to_json(known))
