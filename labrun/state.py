"""The state of a run, from its record and its process (or Slurm job); anything not completed takes precedence."""

import time
from collections.abc import Sequence
from typing import Any

from labkit.run_folder import STATES, LabError, RunFolder, is_alive, runs_dir, unknown_name

CANCEL_MARKER = "cancel"  # in the run folder: cancelled by a person, so nothing may start it again
OPEN = ("queued", "running")
RESUMABLE = ("failed", "died", "timeout", "interrupted", "cancelled")
START_S = 60  # a submitted run without a process after this is lost


def observe(run: RunFolder) -> dict[str, Any]:
    """Return the status as it truly is: `running` without its process is `died`."""
    status = run.read_status()
    if status.get("state") not in STATES:
        return {"state": "died", "message": "Its status.json is missing or damaged."}
    by_slurm = status.get("executor") == "slurm" and status["state"] in (*OPEN, "interrupted", "died")
    alive = is_alive(status) if status["state"] in OPEN and not by_slurm else True
    by_hand = alive is None and status.get("slurm_job")  # on another node, by scripts/sbatch_one.sh for example
    if by_slurm or by_hand:
        from labrun.slurm import squeue as queue

        return queue.observe(run, status, None if by_slurm else {"job": status["slurm_job"]})
    if alive is not False:
        return status
    if status["state"] == "queued" and time.time() - status.get("updated", 0) < START_S and not status.get("pid"):
        return status
    return status | {"state": "died", "message": "The process has disappeared (killed, or the machine restarted)."}


def all_runs() -> list[RunFolder]:
    """Return every run folder, newest first."""
    folder = runs_dir()
    if not folder.is_dir():
        return []
    runs = [RunFolder(path) for path in folder.iterdir() if (path / "status.json").is_file()]
    return sorted(runs, key=lambda run: (run.read_status().get("created", 0), run.id), reverse=True)


def is_interactive(run: RunFolder) -> bool:
    """Return whether the run is a person's own session: no notebook that a runner could execute."""
    return run.read_spec().get("kind") == "interactive"


def find(name: str, *, newest: bool = False, states: Sequence[str] = ()) -> RunFolder:
    """Return the run of this id, or the only one whose id starts so. Raises LabError naming the nearest.

    Where several start so: the newest of them if `newest`, else the only one that is in one of `states`.
    """
    run = RunFolder(runs_dir() / name)
    if name and run.status_file.is_file():
        return run
    runs = {run.id: run for run in all_runs()}
    starting = [run for id, run in runs.items() if name and id.startswith(name)]
    if len(starting) > 1 and not newest:
        starting = [run for run in starting if observe(run)["state"] in states] or starting
    if len(starting) == 1 or (starting and newest):
        return starting[0]
    if starting:
        some = ", ".join(run.id for run in starting[:5]) + (", ..." if len(starting) > 5 else "")
        raise LabError(f"{name!r} fits {len(starting)} runs: {some}; type more letters.")
    if not runs:
        raise LabError(f"There is no run yet in {runs_dir()}; start one with `labkit run 01`.")
    raise unknown_name("run", name, list(runs)[:20])


def runs_of_sweep(name: str) -> list[RunFolder]:
    """Return the runs of a sweep (or those that a run has started). Raises LabError where there are none."""
    members: dict[str, list[RunFolder]] = {}
    for run in all_runs():
        if parent := run.read_spec().get("parent"):
            members.setdefault(parent, []).append(run)
    starting = [name] if name in members else [parent for parent in members if parent.startswith(name)]
    if len(starting) != 1:
        raise unknown_name("sweep", name, members)
    return sorted(members[starting[0]], key=lambda run: run.id)


def matching_runs(name: str, *, states: Sequence[str] = ()) -> list[RunFolder]:
    """Return the run of this name (of several, the only one in `states`), or all runs of this sweep."""
    if RunFolder(runs_dir() / name).status_file.is_file():
        return [find(name)]
    try:
        return runs_of_sweep(name)
    except LabError:
        return [find(name, states=states)]


def elapsed(status: dict[str, Any]) -> float | None:
    """Return the seconds that a run took, or has taken so far (None: never started)."""
    if status.get("seconds") is not None or "started" not in status:
        return status.get("seconds")
    end = status.get("ended") or (time.time() if status["state"] == "running" else status["updated"])
    return end - status["started"]
