"""What Slurm says about jobs: one squeue call for all of them, and what its words mean for a run."""

import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from labkit.run_folder import RunFolder, atomic_write, to_json
from labrun.slurm.slurm_cli import Unreachable, command

FIELDS = "%i|%T|%r|%L|%N|%S|%k"  # id, state, reason, time left, nodes, start, comment (may hold a |)
FRESH_S = 2.0  # an answer is used again for so long: 500 runs cost one call
GRACE_S = 60  # a job that was just submitted may be missing from the list

_seen: dict = {}


@dataclass(frozen=True)
class Job:
    """One line of squeue. id: as `12` or, of an array, `12_3`."""

    id: str
    state: str
    reason: str = ""
    time_left: str = ""
    nodes: str = ""
    start: str = ""
    comment: str = ""


def view() -> dict[str, Job] | None:
    """Return the user's jobs by id, lately ended ones included; None where Slurm is silent."""
    now = time.monotonic()
    if not _seen or now - _seen["when"] > FRESH_S:
        try:
            jobs = {job.id: job for job in ask()}
        except Unreachable:
            jobs = None
        _seen.update(when=time.monotonic(), clock=time.time(), jobs=jobs)
    return _seen["jobs"]


def forget() -> None:
    """Ask Slurm anew at the next look."""
    _seen.clear()


def ask() -> list[Job]:
    """Return all jobs of this user. Raises Unreachable."""
    said = command("squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", f"--format={FIELDS}")
    return [parse(line) for line in said.splitlines() if line.count("|") >= 6]


def parse(line: str) -> Job:
    """Read one line of squeue in the format FIELDS."""
    return Job(*(part.strip() for part in line.split("|", 6)))


def observe(run: RunFolder, status: dict, ticket: dict | None = None) -> dict:
    """Return `status` with Slurm's word merged in; its word on a job that ended is kept in the run."""
    ticket = ticket or read_ticket(run)
    jobs = view()
    job = find(jobs or {}, ticket)
    if job and job.state in _WAITING and status.get("updated", 0) > _seen["clock"]:
        forget()  # the run has begun since Slurm was asked
        jobs = view()
        job = find(jobs or {}, ticket)
    if job is None and _verdict(run, ticket):
        job = Job(**_verdict(run, ticket))
    elif job is None and jobs is not None and status["state"] in ("queued", "running"):
        job = _accounted(ticket.get("job"))
    merged = explain(merge(status, job, silent=jobs is None, ticket=ticket), job, ticket)
    if (
        job
        and jobs is not None
        and job.state in _ENDED
        and (merged["state"] != status.get("state") or "cause" in merged)
    ):
        atomic_write(run.path / VERDICT, to_json({"token": ticket.get("token"), "job": job.__dict__}))
    return merged


def explain(merged: dict, job: Job | None, ticket: dict) -> dict:
    """Return the merged state with what the job's own output says about a death: no memory, a bad module."""
    if job is None or job.state != "FAILED" or merged["state"] != "died" or "output" not in ticket:
        return merged
    index = ticket.get("index")
    try:
        said = (Path(ticket["output"]) / f"{'job' if index is None else index}.out").read_text()
    except (OSError, UnicodeDecodeError):
        return merged
    if re.search(r"(?i)exceeded (job )?memory limit|oom.kill|out.of.memory", said):
        return merged | {"cause": "out of memory", "message": _ENDED["OUT_OF_MEMORY"][2]}
    if merged.get("exit_code") is None and said.strip():  # the runner never spoke
        return merged | {"message": f"Its job failed on the node: {said.strip().splitlines()[-1][-200:]}"}
    return merged


TICKET = "job.json"  # in the run folder: written by who submits, never by the job
VERDICT = "verdict.json"  # Slurm forgets an ended job after minutes


def read_ticket(run: RunFolder) -> dict:
    """Return what is known of a run's submission: token, job, index, site ({}: it was never submitted)."""
    try:
        return json.loads((run.path / TICKET).read_text())
    except (OSError, ValueError):
        return {}


def find(jobs: dict[str, Job], ticket: dict) -> Job | None:
    """Return the job of a ticket: by its id, or by its token where sbatch's answer was lost."""
    if ticket.get("job") in jobs:
        return jobs[ticket["job"]]
    index = ticket.get("index")
    ours = [
        job
        for job in jobs.values()
        if ticket.get("token")
        and job.comment == f"labkit:{ticket['token']}"
        and (index is None or job.id.endswith(f"_{index}"))
    ]
    return ours[0] if ours else None


def merge(status: dict, job: Job | None, *, silent: bool = False, ticket: dict | None = None) -> dict:
    """Return the state of a run from its runner's word and Slurm's; whatever is not finished wins.

    silent: Slurm did not answer, so only the runner's word is known. The result may hold `job`, `nodes`,
    `time_left`, `cause` ("out of memory", "time limit", "node failed", "preempted") and `message`.
    """
    known = status | ({"job": job.id} if job else {"job": ticket["job"]} if (ticket or {}).get("job") else {})
    ended_by_itself = status["state"] not in ("queued", "running")
    if job is None:
        return known if ended_by_itself else _without_a_job(known, silent, ticket or {})
    if job.state in _WAITING:
        if ended_by_itself and status["state"] != "interrupted":
            return known
        again = "Queued again: " if status.get("attempt") else ""
        return known | {"state": "queued", "message": f"{again}{reason(job)}", "reason": job.reason}
    if job.state in _ALIVE:
        if ended_by_itself and status["state"] != "interrupted":
            return known
        if ended_by_itself:  # its script is about to queue it again, or to say why not
            return known | {"state": "running", "message": "It has saved, and its job is about to end."}
        said = {} if status["state"] == "running" else {"message": f"Starting on {job.nodes}."}
        return known | {"state": "running", "time_left": job.time_left, "nodes": job.nodes} | said
    state, cause, message = _ENDED.get(job.state, ("died", "", f"Slurm calls its job {job.state}."))
    if ended_by_itself:  # it died, or it saved: Slurm may know why
        why = (
            cause
            if (status["state"], job.state) == ("died", "OUT_OF_MEMORY") or status["state"] == "interrupted"
            else ""
        )
        return known | ({"cause": why} if why else {})
    return known | {"state": state, "message": message} | ({"cause": cause} if cause else {})


def is_open(job: Job) -> bool:
    """Say whether a job waits or runs."""
    return job.state in _WAITING or job.state in _ALIVE


def reason(job: Job) -> str:
    """Return in words why a job waits."""
    start = f", expected to start {job.start.replace('T', ' ')}" if job.start[:1].isdigit() else ""
    return _REASONS.get(job.reason, f"waits ({job.reason})") + start


def _without_a_job(status: dict, silent: bool, ticket: dict) -> dict:
    if silent:
        return status | {"message": "Slurm does not answer; this is what the run itself said last."}
    if time.time() - status.get("updated", 0) < GRACE_S:
        return status
    if status["state"] == "queued" and not ticket.get("job"):
        return status | {"state": "interrupted", "message": "Slurm never took it; labkit resume sends it."}
    said = "Its job has left Slurm's queue, and neither it nor Slurm said how it ended."
    return status | {"state": "died", "message": said}


def _accounted(number: str | None) -> Job | None:
    """Return an ended job as sacct remembers it; None where the site keeps no accounts, as many do not."""
    try:
        said = (
            command("sacct", "--allocations", "--noheader", "--parsable2", f"--jobs={number}", "--format=State")
            if number
            else ""
        )
    except Unreachable:
        return None
    return Job(number, said.split()[0]) if said.split() else None  # "CANCELLED by 1000"


def _verdict(run: RunFolder, ticket: dict) -> dict | None:
    try:
        kept = json.loads((run.path / VERDICT).read_text())
    except (OSError, ValueError):
        return None
    return kept["job"] if kept.get("token") == ticket.get("token") else None


_WAITING = ("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT")
_ALIVE = ("RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STAGE_OUT", "SIGNALING", "RESIZING", "STOPPED")
_AGAIN = "labkit resume goes on from the last checkpoint."
_ENDED = {
    "COMPLETED": ("died", "", "Its job ended without a word from the runner."),
    "FAILED": ("died", "", f"Its job failed on the node before the runner could say why; {_AGAIN}"),
    "TIMEOUT": ("timeout", "time limit", f"Slurm ended it at its time limit before it had saved; {_AGAIN}"),
    "DEADLINE": ("timeout", "time limit", "Slurm ended it at its deadline."),
    "OUT_OF_MEMORY": (
        "died",
        "out of memory",
        "It took more memory than the job had: ask for more with --mem, or lower batch_size.",
    ),
    "NODE_FAIL": ("died", "node failed", f"The node failed; {_AGAIN}"),
    "BOOT_FAIL": ("died", "node failed", f"The node did not start; {_AGAIN}"),
    "PREEMPTED": ("interrupted", "preempted", f"A job of higher priority took its place; {_AGAIN}"),
    "CANCELLED": ("cancelled", "", "Cancelled with scancel, by you or the system."),
    "REVOKED": ("cancelled", "", "Its job was revoked."),
}
_REASONS = {
    "Resources": "waits for a free node",
    "Priority": "waits behind jobs of higher priority",
    "None": "waits for Slurm to look at it",
    "Dependency": "waits for another job to end",
    "DependencyNeverSatisfied": "waits for a job that failed: cancel it, and send it again after that one",
    "JobArrayTaskLimit": "waits for its turn in the array",
    "BeginTime": "waits a moment before it starts again",
    "ReqNodeNotAvail": "waits for a node that is down or reserved",
    "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions": (
        "waits for a node that is down or reserved"
    ),
    "PartitionDown": "waits: the partition is down",
    "PartitionTimeLimit": "cannot start: it asks for more time than the partition allows",
    "PartitionNodeLimit": "cannot start: it asks for more nodes than the partition has",
    "QOSMaxJobsPerUserLimit": "waits: you run as many jobs as you may",
    "QOSMaxGRESPerUser": "waits: you use as many GPUs as you may",
    "AssocGrpCPUMinutesLimit": "waits: the account's hours are used up",
    "JobHeldUser": "is held by you: scontrol release JOB",
    "JobHeldAdmin": "is held by the system's staff",
}
