"""Slurm's own commands, the jobs of this user as squeue lists them, and what a job's state means for its run."""

import os
import re
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labkit.run_folder import LabError, RunFolder, atomic_write, read_json, repo_root, to_json
from labkit.run_folder.processes import without_ranks
from labkit.run_folder.validation import read_yaml
from labrun.environment import clean_environment, is_own

PATIENCE_S = 20.0
# What a surrounding job leaves in the environment (sbatch would hand it to the new job, where it changes memory limits
# and CPU binding), and what would go over the options of a command. SLURM_CONF stays: some sites need it.
OPTIONS = ("SLURM_", "SBATCH_", "SQUEUE_", "SCANCEL_", "SINFO_", "SACCT_", "SALLOC_", "SRUN_", "SCONTROL_")
_FOREIGN = (*OPTIONS, "SLURMD_", "PMI", "OMPI_", "JPY_", "LABKIT_ATTEMPT")
_KEPT = ("SLURM_CONF", "SLURM_JWT")
FIELDS = "%i|%T|%r|%L|%N|%S|%k"  # id, state, reason, time left, nodes, start, comment (may hold a |)
FRESH_S = 2.0  # a list is used again for so long: 500 runs cost one call
GRACE_S = 60  # a job that was just submitted may be missing from the list
JOB_RECORD = "job.json"  # in the run folder: token, job, index, site; written at submission, never by the job
FINAL_STATE = "final_state.json"  # Slurm forgets an ended job after minutes
_ENDED, _REASONS = read_yaml(Path(__file__).with_name("states.yaml")).values()
WAITING = ("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT")
_ALIVE = ("RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STAGE_OUT", "SIGNALING", "RESIZING", "STOPPED")

_seen: dict[str, Any] = {}


class SlurmUnavailable(Exception):
    """A Slurm command failed or did not finish in time: the state of the jobs is not known."""


def command(*words: str, **options: Any) -> str:
    """Return the output of a Slurm command. Raises SlurmUnavailable with the command's own error message."""
    inherited = without_ranks(clean_environment())
    kept = {name: value for name, value in inherited.items() if name in _KEPT or not name.startswith(_FOREIGN)}
    chosen = [Path(folder) for folder in [os.environ.get("LABKIT_SLURM_DIR")] if folder]
    for folder in (*chosen, repo_root() / ".cache" / "laptop_slurm", Path(f"/var/tmp/labkit-slurm-{os.getuid()}")):
        if is_own(folder) and (folder / "slurmctld.pid").is_file():  # scripts/laptop_slurm.sh has started a controller
            kept.setdefault("SLURM_CONF", str(folder / "slurm.conf"))
    options |= {"env": kept, "timeout": PATIENCE_S, "stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run(words, capture_output=True, text=True, **options)
    except FileNotFoundError:
        raise SlurmUnavailable(f"{words[0]} is not on this machine") from None
    except subprocess.TimeoutExpired:
        raise SlurmUnavailable(f"{words[0]} did not finish within {PATIENCE_S:g} s") from None
    if done.returncode:
        raise SlurmUnavailable(" ".join(done.stderr.split()) or f"{words[0]} failed")
    return done.stdout


@dataclass(frozen=True)
class Job:
    """One line of squeue. id: `12` or, in an array, `12_3`."""

    id: str
    state: str
    reason: str = ""
    time_left: str = ""
    nodes: str = ""
    start: str = ""
    comment: str = ""


def view() -> dict[str, Job] | None:
    """Return the user's jobs by id, recently ended ones included; None where Slurm does not answer."""
    if not _seen or time.monotonic() - _seen["when"] > FRESH_S:
        try:
            jobs = {job.id: job for job in query()}
        except SlurmUnavailable:
            jobs = None
        _seen.update(when=time.monotonic(), clock=time.time(), jobs=jobs)
    return _seen["jobs"]


def forget() -> None:
    """Let the next `view` call squeue anew."""
    _seen.clear()


def query() -> list[Job]:
    """Return all jobs of this user. Raises SlurmUnavailable."""
    text = command("squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", f"--format={FIELDS}")
    return [parse(line) for line in text.splitlines() if line.count("|") >= 6]


def parse(line: str) -> Job:
    """Read one line of squeue in the format FIELDS."""
    return Job(*(part.strip() for part in line.split("|", 6)))


def observe(run: RunFolder, status: dict, record: dict | None = None) -> dict:
    """Return `status` merged with the state of the run's job; a job's final state is kept in the run."""
    record = record or read_job_record(run)
    jobs = view()
    job = find(jobs or {}, record)
    if job and job.state in WAITING and status.get("updated", 0) > _seen["clock"]:
        forget()  # the run has begun since the last call
        jobs = view()
        job = find(jobs or {}, record)
    kept = read_json(run.path / FINAL_STATE)
    if job is None and kept and kept.get("token") == record.get("token"):
        job = Job(**kept["job"])
    elif job is None and jobs is not None and status["state"] in ("queued", "running") and record.get("job"):
        number = str(record["job"])  # many sites keep no accounts: sacct fails there
        words = ("sacct", "--allocations", "--noheader", "--parsable2", f"--jobs={number}", "--format=State")
        try:
            asked = time.monotonic() - _seen.get("no_accounts", -GRACE_S) > GRACE_S
            accounted = command(*words).split() if asked else []  # "CANCELLED by 1000"
            job = Job(number, accounted[0]) if accounted else None
        except SlurmUnavailable:
            _seen["no_accounts"] = time.monotonic()  # a site without them is asked once, not for each run
    merged = merge(status, job, unavailable=jobs is None, record=record)
    if job and job.state == "FAILED" and merged["state"] == "died" and "output" in record:
        index, text = record.get("index"), ""
        with suppress(OSError, UnicodeDecodeError):  # the job's own output may give the reason
            text = (Path(record["output"]) / f"{'job' if index is None else index}.out").read_text().strip()
        if re.search(r"(?i)exceeded (job )?memory limit|oom.kill|out.of.memory", text):
            merged |= {"cause": "out of memory", "message": _ENDED["OUT_OF_MEMORY"][2]}
        elif merged.get("exit_code") is None and text:  # the runner did not start
            merged |= {"message": f"Its job failed on the node: {text.splitlines()[-1][-200:]}"}
    if job and jobs is not None and job.state in _ENDED and (merged["state"] != status["state"] or "cause" in merged):
        with suppress(LabError):  # who only looks needs no right to write
            atomic_write(run.path / FINAL_STATE, to_json({"token": record.get("token"), "job": asdict(job)}))
    return merged


def read_job_record(run: RunFolder) -> dict:
    """Return what is known of a run's submission: token, job, index, site ({}: it was never submitted)."""
    return read_json(run.path / JOB_RECORD)


def find(jobs: dict[str, Job], record: dict) -> Job | None:
    """Return the job of a record: by its token (numbers begin anew, and another cluster has the same), else its id."""
    token, index = record.get("token"), record.get("index")
    if not token:  # sent by hand
        return jobs.get(record.get("job", ""))
    ours = [job for job in jobs.values() if job.comment == f"labkit:{token}"]
    return next((job for job in ours if index is None or job.id.endswith(f"_{index}")), None)


def merge(status: dict, job: Job | None, *, unavailable: bool = False, record: dict | None = None) -> dict:
    """Return the state of a run from its own record and its job; anything not completed takes precedence.

    unavailable: Slurm did not answer. The result may hold `job`, `nodes`, `time_left`, `cause` and `message`.
    """
    record = record or {}
    number = job.id if job else record.get("job")
    known = status | ({"job": number} if number else {})
    ended, saved = status["state"] not in ("queued", "running"), status["state"] == "interrupted"
    if job is None and ended:
        return known
    if job is None and unavailable:
        return known | {"message": "Slurm does not answer; this is the last state that the run itself wrote."}
    if job is None and time.time() - status.get("updated", 0) < GRACE_S:
        return known
    if job is None and status["state"] == "queued" and not number:
        return known | {"state": "interrupted", "message": "Slurm never took it; labkit resume submits it."}
    if job is None:
        lost = "Its job has left Slurm's queue, and there is no record of how it ended."
        return known | {"state": "died", "message": lost}
    if is_open(job) and ended and not saved:
        return known
    if job.state in WAITING:
        again = "Queued again: " if status.get("attempt") else ""
        return known | {"state": "queued", "message": f"{again}{reason(job)}", "reason": job.reason}
    if job.state in _ALIVE and saved:  # its script is about to queue it again, or to print why not
        return known | {"state": "running", "message": "It has saved, and its job is about to end."}
    if job.state in _ALIVE:
        message = {} if status["state"] == "running" else {"message": f"Starting on {job.nodes}."}
        return known | {"state": "running", "time_left": job.time_left, "nodes": job.nodes} | message
    final, cause, why = _ENDED.get(job.state, ("died", "", f"Slurm lists its job as {job.state}."))
    if ended:  # it died, or it saved: the job's state may hold the cause
        explains = saved or (status["state"], job.state) == ("died", "OUT_OF_MEMORY")
        return known | ({"cause": cause} if cause and explains else {})
    return known | {"state": final, "message": why} | ({"cause": cause} if cause else {})


def is_open(job: Job) -> bool:
    """Return whether a job waits or runs."""
    return job.state in WAITING or job.state in _ALIVE


def reason(job: Job) -> str:
    """Return in words why a job waits."""
    start = f", expected to start {job.start.replace('T', ' ')}" if job.start[:1].isdigit() else ""
    return _REASONS.get(job.reason, f"waits ({job.reason})") + start
