"""The state of a run: the runner's word and the process's word; whatever is not finished wins."""

import time

from labkit.cluster import process
from labkit.errors import LabError, unknown_name
from labkit.paths import runs_dir
from labkit.records import RunFolder

CANCEL_MARKER = "cancel"            # in the run folder: a person asked, so nothing may start it again
OPEN = ("queued", "running")
RESUMABLE = ("failed", "died", "timeout", "interrupted", "cancelled")
START_S = 60                        # a submitted run whose process has not reported after this is lost


def observe(run: RunFolder) -> dict:
    """Return the status as it truly is: `running` without its process is `died`."""
    status = run.read_status() or {"state": "died", "message": "There is no status.json in this folder."}
    if status["state"] not in OPEN or process.is_alive(status) is not False:
        return status
    if status["state"] == "queued" and time.time() - status.get("updated", 0) < START_S \
            and not status.get("pid"):
        return status
    said = "Its process is gone without a word (killed, or the machine was restarted)."
    return status | {"state": "died", "message": said}


def all_runs() -> list[RunFolder]:
    """Return every run folder, newest first."""
    folder = runs_dir()
    if not folder.is_dir():
        return []
    runs = [RunFolder(path) for path in folder.iterdir() if (path / "status.json").is_file()]
    return sorted(runs, key=lambda run: (run.read_status().get("created", 0), run.id), reverse=True)


def find(name: str) -> RunFolder:
    """Return the run of this id, or the only one whose id starts so. Raises LabError naming the nearest."""
    run = RunFolder(runs_dir() / name)
    if name and run.status_file.is_file():
        return run
    runs = {run.id: run for run in all_runs()}
    starting = [run for id, run in runs.items() if name and id.startswith(name)]
    if len(starting) == 1:
        return starting[0]
    if not runs:
        raise LabError(f"There is no run yet in {runs_dir()}; start one with `labkit run 01`.")
    raise unknown_name("run", name, [run.id for run in starting] or list(runs)[:20])


def children(name: str) -> list[RunFolder]:
    """Return the runs of a sweep (or those that a run has started). Raises LabError where there are none."""
    members: dict[str, list[RunFolder]] = {}
    for run in all_runs():
        members.setdefault(run.read_spec().get("parent"), []).append(run)
    members.pop(None, None)
    starting = [parent for parent in members if parent.startswith(name)]
    if name not in members and len(starting) != 1:
        raise unknown_name("sweep", name, members)
    return sorted(members[name if name in members else starting[0]], key=lambda run: run.id)


def family(name: str) -> list[RunFolder]:
    """Return the run of this name, or all runs of the sweep of this name."""
    if RunFolder(runs_dir() / name).status_file.is_file():
        return [find(name)]
    try:
        return children(name)
    except LabError:
        return [find(name)]


def elapsed(status: dict) -> float | None:
    """Return the seconds that a run took, or has taken so far (None: never started)."""
    if status.get("seconds") is not None:
        return status["seconds"]
    if "started" not in status:
        return None
    return (status.get("ended") or (time.time() if status["state"] == "running" else status["updated"])) \
        - status["started"]
