"""The state of a run: the runner's word and the process's (or Slurm's); whatever is not finished wins."""

import time
from collections.abc import Sequence

from labkit.run_folder import STATES, LabError, RunFolder, runs_dir, unknown_name
from labrun import processes as process

CANCEL_MARKER = "cancel"  # in the run folder: a person asked, so nothing may start it again
OPEN = ("queued", "running")
RESUMABLE = ("failed", "died", "timeout", "interrupted", "cancelled")
START_S = 60  # a submitted run whose process has not reported after this is lost


def observe(run: RunFolder) -> dict:
    """Return the status as it truly is: `running` without its process is `died`."""
    status = run.read_status()
    if status.get("state") not in STATES:
        return {"state": "died", "message": "Its status.json is missing or damaged."}
    if status.get("executor") == "slurm" and status["state"] in (*OPEN, "interrupted", "died"):
        from labrun.slurm import squeue as queue

        return queue.observe(run, status)
    alive = process.is_alive(status) if status["state"] in OPEN else True
    if alive is None and status.get("slurm_job"):  # on another node, by hand or by scripts/sbatch_one.sh
        from labrun.slurm import squeue as queue

        return queue.observe(run, status, {"job": status["slurm_job"]})
    if alive is not False:
        return status
    if status["state"] == "queued" and time.time() - status.get("updated", 0) < START_S and not status.get("pid"):
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


def is_interactive(run: RunFolder) -> bool:
    """Say whether the run is a person's own session: no notebook that a runner could execute."""
    return run.read_spec().get("kind") == "interactive"


def never_sent(run: RunFolder) -> bool:
    """Say whether the run waits for a Slurm job of which nobody knows whether it was taken."""
    from labrun.slurm.squeue import read_job_record

    status = run.read_status()
    waits = status.get("executor") == "slurm" and status.get("state") == "queued"
    return waits and not read_job_record(run).get("job")


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


def family(name: str, *, states: Sequence[str] = ()) -> list[RunFolder]:
    """Return the run of this name (of several, the only one in `states`), or all runs of this sweep."""
    if RunFolder(runs_dir() / name).status_file.is_file():
        return [find(name)]
    try:
        return children(name)
    except LabError:
        return [find(name, states=states)]


def elapsed(status: dict) -> float | None:
    """Return the seconds that a run took, or has taken so far (None: never started)."""
    if status.get("seconds") is not None:
        return status["seconds"]
    if "started" not in status:
        return None
    return (status.get("ended") or (time.time() if status["state"] == "running" else status["updated"])) - status[
        "started"
    ]
