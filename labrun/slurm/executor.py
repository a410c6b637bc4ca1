"""The Slurm executor: runs as batch jobs and arrays; submitted once, however often the answer is lost."""

import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from labkit.run_folder import LabError, RunFolder, atomic_write, make_folder, repo_root, runs_dir, to_json
from labrun import state
from labrun.slurm import code_snapshot as code
from labrun.slurm import render
from labrun.slurm import squeue as queue
from labrun.slurm.site_config import Site, load_site
from labrun.slurm.slurm_cli import Unreachable, command

REFUSED = "Slurm refused the job"
JOBS = ".jobs"  # in the folder of the runs: scripts, and what they said


class SlurmExecutor:
    """Submits, watches and cancels runs as Slurm jobs; the same three functions as the local executor."""

    name = "slurm"

    def __init__(self, site: Site | None = None):
        self.site = site or load_site()

    def submit(self, runs: Sequence[RunFolder], *, jobs: int | None = None, after: Sequence[str] = ()) -> list[str]:
        """Submit `runs` (several: as an array, `jobs` of it at a time) and return the ids of their jobs.

        after: runs that must be done first. A run whose earlier submission may have arrived is looked for and
        not sent twice. Raises LabError where Slurm refuses or does not answer; nothing is lost then.
        """
        self.check()
        queue.forget()
        found = [_arrived(run) for run in runs]
        new = [run for run, job in zip(runs, found, strict=True) if job is None]
        ids = [job.id for job in found if job is not None]
        first = [job_of(state.find(name)) for name in after]
        for start in range(0, len(new), self.site.max_array):
            ids += self._send(new[start : start + self.site.max_array], jobs, first)
        return ids

    def script(
        self, runs: Sequence[RunFolder], *, jobs: int | None = None, after: Sequence[str] = (), token: str = "TOKEN"
    ) -> str:
        """Return the text that `submit` would hand to sbatch."""
        folder = str(_folder(token)).replace("%", "%%")
        return render.sbatch(
            [run.path.absolute() for run in runs],
            self.site,
            name=_name(runs),
            token=token,
            output=f"{folder}/{'%a' if len(runs) > 1 else 'job'}.out",
            root=repo_root(),
            python=sys.executable,
            at_once=jobs,
            after=after,
            environment=_places(),
        )

    def collect_after(self, ids: Sequence[str]) -> str:
        """Submit a small job that makes the results page once the jobs `ids` have ended, however they did."""
        folder = _folder(secrets.token_hex(8))
        code.freeze()
        make_folder(folder)
        numbers = dict.fromkeys(job.partition("_")[0] for job in ids)
        text = render.collect(
            list(numbers),
            root=repo_root(),
            python=sys.executable,
            environment=_places(),
            output=str(folder / "job.out").replace("%", "%%"),
            site=self.site,
        )
        return self._hand_over(atomic_write(folder / "job.sh", text), folder.name)

    def submit_server(self, folder: Path) -> str:
        """Submit the job that serves JupyterLab for `folder` (see labrun.jupyter); return its id."""
        self.check()
        token = secrets.token_hex(8)
        code.freeze()
        text = render.server(
            folder, self.site, token=token, root=repo_root(), python=sys.executable, environment=_places()
        )
        script = atomic_write(folder / "job.sh", text)
        atomic_write(folder / queue.TICKET, to_json({"token": token}))
        job = self._hand_over(script, token)
        atomic_write(folder / queue.TICKET, to_json({"token": token, "job": job}))
        queue.forget()
        return job

    def state(self, run: RunFolder) -> dict:
        """Return the status of `run` as it truly is."""
        return state.observe(run)

    def cancel(self, run: RunFolder, *, now: bool = False) -> str:
        """Ask `run` to save and stop, or end it `now`; it is not queued again. Returns a sentence."""
        status = state.observe(run)
        if status["state"] not in state.OPEN:
            return f"{run.id} is not running ({status['state']}): nothing to cancel."
        (run.path / state.CANCEL_MARKER).touch()  # first, so that the job's script queues nothing
        run.stop_flag.touch()
        job = queue.find(queue.view() or {}, queue.read_ticket(run))
        waiting = status["state"] == "queued"
        if job is None:
            return f"{run.id} is marked as cancelled, but Slurm does not answer: it stops at its next step."
        end = [] if waiting or now else ["--full", "--signal=TERM"]
        try:
            command("scancel", *end, job.id)
        except Unreachable as error:
            return f"{run.id} is marked as cancelled; Slurm said: {error}."
        queue.forget()
        if waiting or now:
            run.write_status(
                "cancelled",
                message="Cancelled before it began." if waiting else "Ended at once, as asked.",
                exit_code=1,
            )
        return (
            f"{run.id} was waiting and is cancelled."
            if waiting
            else f"{run.id} is {'ended' if now else 'asked to save and stop'}."
        )

    def check(self) -> None:
        """Raise LabError where nothing can be submitted from here to this site."""
        require_slurm()
        if self.site.account_needed and not self.site.account and not os.environ.get("SBATCH_ACCOUNT"):
            raise LabError(
                f"{self.site.name} wants to know who pays: add --account YOUR_PROJECT, or export "
                "SBATCH_ACCOUNT=YOUR_PROJECT."
            )

    def _send(self, runs: Sequence[RunFolder], jobs: int | None, after: Sequence[str]) -> list[str]:
        token = secrets.token_hex(8)
        code.freeze()
        make_folder(_folder(token))
        text = self.script(runs, jobs=jobs, after=after, token=token)
        script = atomic_write(_folder(token) / "job.sh", text)
        tickets = [
            {
                "token": token,
                "index": index if len(runs) > 1 else None,
                "site": self.site.model_dump(),
                "script": str(script),
                "output": str(_folder(token)),
            }
            for index in range(len(runs))
        ]
        for run, ticket in zip(runs, tickets, strict=True):
            _prepare(run, ticket)
        try:
            number = self._hand_over(script, token)
        except LabError as error:
            for run in runs if str(error).startswith(REFUSED) else ():
                run.write_status("failed", message=str(error))
            raise
        ids = []
        for run, ticket in zip(runs, tickets, strict=True):
            ids.append(number if ticket["index"] is None else f"{number}_{ticket['index']}")
            _write_ticket(run, ticket | {"job": ids[-1]})
        return ids

    def _hand_over(self, script: Path, token: str) -> str:
        """Return the job's number from sbatch, or from the queue where sbatch's answer was lost."""
        try:
            said = command("sbatch", "--parsable", str(script), cwd=repo_root())
            number = re.match(r"\d+", said)
            if number:
                return number[0]
            error = f"sbatch answered {said!r}"
        except Unreachable as refused:
            error = str(refused)
        with suppress(Unreachable):
            for _ in range(3):
                ours = [job for job in queue.ask() if job.comment == f"labkit:{token}"]
                if ours:
                    return ours[0].id.partition("_")[0]
                if _is_refusal(error):
                    break
                time.sleep(1)
        raise LabError(_explained(error))


def executor_of(run: RunFolder):
    """Return the executor that a run was last started with."""
    if run.read_status().get("executor") != SlurmExecutor.name:
        from labrun.local import LocalExecutor

        return LocalExecutor()
    known = queue.read_ticket(run).get("site")
    return SlurmExecutor(Site(**known) if known else None)


def end_job(folder: Path, *, patience_s: float = 30.0) -> None:
    """Cancel the job of a ticket in `folder` and wait until it has gone. Raises LabError."""
    ticket = queue.read_ticket(RunFolder(folder))
    if not ticket.get("job"):
        return
    with suppress(Unreachable):  # it has not begun: scancel without a signal takes it away
        command("scancel", "--full", "--signal=TERM", ticket["job"])
    deadline = time.monotonic() + patience_s
    try:
        while any(job.id == ticket["job"] and queue.is_open(job) for job in queue.ask()):
            if time.monotonic() > deadline - patience_s + 3:
                command("scancel", ticket["job"])
            if time.monotonic() > deadline:
                raise LabError(f"Job {ticket['job']} does not end; look: squeue -j {ticket['job']}")
            time.sleep(0.3)
    except Unreachable as error:
        raise LabError(_explained(str(error))) from None


def job_of(run: RunFolder) -> str:
    """Return the id of a run's job. Raises LabError where it has none."""
    job = queue.read_ticket(run).get("job")
    if not job:
        raise LabError(f"{run.id} is no Slurm job, so nothing can wait for it.")
    return job


def require_slurm() -> None:
    """Raise LabError where this machine has no Slurm."""
    if not shutil.which("sbatch"):
        raise LabError(
            "There is no Slurm on this machine (no sbatch): log in to the cluster, load its Slurm "
            "module, or try it here with bash scripts/laptop_slurm.sh start."
        )


def _arrived(run: RunFolder) -> queue.Job | None:
    """Return the live job of an earlier submission of `run`, whose answer may have been lost."""
    ticket = queue.read_ticket(run)
    if not ticket:
        return None
    try:
        jobs = {job.id: job for job in queue.ask()}
    except Unreachable as error:
        raise LabError(_explained(str(error))) from None
    job = queue.find(jobs, ticket)
    if job is None or not queue.is_open(job):
        return None
    _write_ticket(run, ticket | {"job": job.id})
    return job


def _prepare(run: RunFolder, ticket: dict) -> None:
    for marker in (run.stop_flag, run.path / state.CANCEL_MARKER, run.path / queue.VERDICT):
        marker.unlink(missing_ok=True)
    make_folder(run.logs)
    _write_ticket(run, ticket)
    run.write_status(
        "queued", executor=SlurmExecutor.name, message=None, exit_code=None, host=None, pid=None, pid_started=None
    )


def _write_ticket(run: RunFolder, ticket: dict) -> None:
    atomic_write(run.path / queue.TICKET, to_json(ticket))


def _folder(token: str) -> Path:
    return runs_dir() / JOBS / token


def _name(runs: Sequence[RunFolder]) -> str:
    """Return the job's name: the run's, or of several the sweep's."""
    return re.sub(r"-\d+$", "", runs[0].id) if len(runs) > 1 else runs[0].id


def _places() -> dict[str, str]:
    """Return the folders that the user has chosen, and the copy of the library that the job shall use."""
    chosen = {name: os.environ[name] for name in ("LABKIT_RUNS", "LABKIT_DATA", "LABKIT_CACHE") if os.environ.get(name)}
    places = {name: str(Path(folder).expanduser().absolute()) for name, folder in chosen.items()}
    path = [str(code.place()), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return places | {"PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1"}


def _is_refusal(error: str) -> bool:
    """Say whether Slurm has answered, with a no."""
    return "Batch job submission failed" in error and not re.search(r"(?i)contact|timed? ?out|socket", error)


def _explained(error: str) -> str:
    if _is_refusal(error):
        said = error.partition("Batch job submission failed:")[2].strip() or error
        return f"{REFUSED}: {said}. Look at it with --dry-run; change --site, --time or --gpus."
    return (
        f"Slurm does not answer ({error}). Nothing is lost: labkit resume RUN first asks whether the job "
        "has arrived, and sends it only if it has not."
    )
