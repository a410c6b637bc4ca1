"""The Slurm executor: runs as batch jobs and arrays; each is submitted once, however often a reply is lost."""

import functools
import hashlib
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import labkit
from labkit.run_folder import LabError, RunFolder, atomic_write, make_folder, repo_root, runs_dir, to_json, write_error
from labrun import state
from labrun.environment import is_own
from labrun.slurm import render, squeue
from labrun.slurm.site_config import Site, load_site, site_names
from labrun.slurm.squeue import SlurmUnavailable, command

REFUSED = "Slurm refused the job"
ROOT = Path(labkit.__file__).parents[1]
PACKAGES = ("labkit", "labrun")
# in what sbatch prints where the controller was not reached; all else is a refusal
_SILENCE = r"(?i)contact|time(d )?out|socket|connect(ion)? (fail|refused)|zero bytes|munge|standby|configuration source"
CODE = ".code"  # in the folder of the runs: copies of the packages, one folder per state of them
ENDING_S = 60.0  # how long a resume waits for the job before it: an epilog, a kernel that saves
JOBS = ".jobs"  # in the folder of the runs: scripts and their output, one folder per submission


class SlurmExecutor:
    """Submits, observes and cancels runs as Slurm jobs; the same three functions as the local executor."""

    name = "slurm"

    def __init__(self, site: Site | None = None):
        self.site = site or load_site()

    def submit(self, runs: Sequence[RunFolder], *, jobs: int | None = None, after: Sequence[str] = ()) -> list[str]:
        """Submit `runs` (several: as an array, `jobs` of it at a time) and return the ids of their jobs.

        after: runs that must be done first. Where an earlier submission of a run is in the queue, the run is
        not submitted twice. Raises LabError where Slurm refuses or does not answer; nothing is lost then.
        """
        self.check()
        squeue.forget()
        jobs_by_run: dict[RunFolder, str] = {}
        for run, job in _open_jobs(runs).items():  # of an earlier submission, whose reply may have been lost
            _write_job_record(run, squeue.read_job_record(run) | {"job": job.id})
            jobs_by_run[run] = job.id
        new = [run for run in runs if run not in jobs_by_run]
        first = self.jobs_of(after)
        for start in range(0, len(new), self.site.max_array):
            some = new[start : start + self.site.max_array]
            jobs_by_run |= zip(some, self._submit_array(some, jobs, first), strict=True)
        return [jobs_by_run[run] for run in runs]

    def script(
        self, runs: Sequence[RunFolder], *, jobs: int | None = None, after: Sequence[str] = (), token: str = "TOKEN"
    ) -> str:
        """Return the text that `submit` would hand to sbatch. after: ids of jobs that must succeed first."""
        name = re.sub(r"-\d+$", "", runs[0].id) if len(runs) > 1 else runs[0].id  # an array has its sweep's name
        folder = str(runs_dir() / JOBS / token).replace("%", "%%")  # which Slurm replaces in --output
        output = f"{folder}/{'%a' if len(runs) > 1 else 'job'}.out"
        text = functools.partial(render.sbatch, name=name, token=token, output=output, at_once=jobs, after=after)
        return text([run.path.absolute() for run in runs], self.site, _checkout())

    def jobs_of(self, names: Sequence[str]) -> list[str]:
        """Return the ids of the jobs of those runs that are not done. Raises LabError for one that cannot become so."""
        jobs = []
        for run in map(state.find, names):
            job, now = squeue.read_job_record(run).get("job", ""), state.observe(run)["state"]
            if not job:
                raise LabError(f"{run.id} is no Slurm job, so nothing can wait for it.")
            if now not in (*state.OPEN, "done"):
                raise LabError(f"{run.id} is {now}, so nothing can start after it: labkit resume {run.id} first.")
            jobs += [job] if now != "done" else []
        return jobs

    def collect_after(self, ids: Sequence[str]) -> str:
        """Submit a small job that makes the results page once the jobs `ids` have ended, however they did."""
        folder = runs_dir() / JOBS / secrets.token_hex(8)
        take_snapshot()
        make_folder(folder)
        numbers = list(dict.fromkeys(job.partition("_")[0] for job in ids))
        text = render.collect(numbers, self.site, _checkout(), output=f"{str(folder).replace('%', '%%')}/job.out")
        return self._sbatch(atomic_write(folder / "job.sh", text), folder.name)

    def server_script(self, folder: Path, token: str) -> str:
        """Return the text that `submit_server` hands to sbatch."""
        return render.server(folder, self.site, _checkout(), token=token)

    def submit_server(self, folder: Path) -> str:
        """Submit the job that serves JupyterLab for `folder` (see labrun.jupyter); return its id."""
        self.check()
        token = secrets.token_hex(8)
        take_snapshot()
        script = atomic_write(folder / "job.sh", self.server_script(folder, token))
        server = RunFolder(folder)
        _write_job_record(server, {"token": token})
        job = self._sbatch(script, token)
        _write_job_record(server, {"token": token, "job": job})
        squeue.forget()
        return job

    def cancel(self, run: RunFolder, *, now: bool = False) -> str:
        """Let `run` save and stop, or end it `now`; it is not queued again. Returns a sentence."""
        return self.cancel_all([run], now=now)[0]

    def cancel_all(self, runs: Sequence[RunFolder], *, now: bool = False) -> list[str]:
        """Do so for many runs, with one call of scancel for those that end at once.

        Those that save are told one by one: a second TERM, after a call that failed for one of many, would end them.
        """
        said: dict[RunFolder, str] = {}
        jobs: dict[bool, dict[RunFolder, str]] = {True: {}, False: {}}  # ends at once -> its runs and their jobs
        waiting = set()
        for run in runs:
            status = state.observe(run)
            if status["state"] not in state.OPEN:
                said[run] = f"{run.id} is not running ({status['state']}): nothing to cancel."
                continue
            (run.path / state.CANCEL_MARKER).touch()  # first, so that the job's script queues nothing
            run.stop_flag.touch()
            waiting |= {run} if status["state"] == "queued" else set()
            if job := squeue.find(squeue.view() or {}, squeue.read_job_record(run)):
                jobs[now or run in waiting][run] = job.id
            else:
                said[run] = f"{run.id} is marked as cancelled, but Slurm does not answer: it stops at its next step."
        single = [(False, {run: job}) for run, job in jobs[False].items()]
        for at_once, group in [(True, jobs[True]), *single]:
            signal = [] if at_once else ["--full", "--signal=TERM"]
            try:
                if group:
                    command("scancel", *signal, *group.values())
            except SlurmUnavailable as error:
                if len(group) > 1:  # which of them did it refuse?
                    said |= {run: self.cancel(run, now=now) for run in group}
                else:
                    said |= {run: f"{run.id} is marked as cancelled, but scancel failed: {error}." for run in group}
                continue
            for run in group:
                if at_once:
                    message = "Cancelled before it began." if run in waiting else "Ended at once."
                    run.write_status("cancelled", message=message, exit_code=1)
                ended = f"{run.id} was waiting and is cancelled." if run in waiting else f"{run.id} is ended."
                said[run] = ended if at_once else f"{run.id} will save and stop."
        return [said[run] for run in runs]

    def check(self) -> None:
        """Raise LabError where nothing can be submitted from here to this site."""
        if not shutil.which("sbatch"):
            raise LabError(
                "There is no Slurm on this machine (no sbatch): log in to the cluster, load its Slurm "
                "module, or try it here with bash scripts/laptop_slurm.sh start."
            )
        if self.site.account_needed and not self.site.account:
            raise LabError(f"Site {self.site.name} requires an account: add --account NAME.")
        try:
            shown = re.search(r"(?m)^ClusterName\s*=\s*(\S+)", command("scontrol", "show", "config"))
        except SlurmUnavailable:
            return  # sbatch itself will say why
        here, known = shown and shown[1], {site.cluster: site.name for site in map(load_site, site_names())}
        own = self.site.cluster or (
            self.site.name if here in known and self.site.name in {*site_names()} - {"generic"} else None
        )
        if here and own and here != own and known.get(here) != self.site.name:
            there = f"--site {known.get(here, 'generic')}"
            raise LabError(f"This is the cluster {here}, not {own}: log in there, or choose another site ({there}).")

    def _submit_array(self, runs: Sequence[RunFolder], jobs: int | None, after: Sequence[str]) -> list[str]:
        token = secrets.token_hex(8)
        folder = runs_dir() / JOBS / token
        take_snapshot()
        make_folder(folder)
        script = atomic_write(folder / "job.sh", self.script(runs, jobs=jobs, after=after, token=token))
        site = self.site.model_dump()
        known = {"token": token, "site": site, "script": str(script), "output": str(folder)}
        records = [known | {"index": index if len(runs) > 1 else None} for index in range(len(runs))]
        nobody = dict.fromkeys(("message", "exit_code", "host", "pid", "pid_started"))
        for run, record in zip(runs, records, strict=True):
            for marker in (run.stop_flag, run.path / state.CANCEL_MARKER, run.path / squeue.FINAL_STATE):
                marker.unlink(missing_ok=True)
            make_folder(run.logs)
            _write_job_record(run, record)
            run.write_status("queued", executor=self.name, **nobody)
        try:
            number = self._sbatch(script, token)
        except LabError as error:
            for run in runs if str(error).startswith(REFUSED) else ():
                run.write_status("failed", message=str(error))
            raise
        ids = [number if record["index"] is None else f"{number}_{record['index']}" for record in records]
        for run, record, job in zip(runs, records, ids, strict=True):
            _write_job_record(run, record | {"job": job})
        return ids

    def _sbatch(self, script: Path, token: str) -> str:
        """Return the job's number from sbatch, or from squeue where sbatch's reply was lost."""
        try:
            reply = command("sbatch", "--parsable", str(script), cwd=repo_root())
            number = re.match(r"\d+", reply)
            if number:
                return number[0]
            error = f"sbatch answered {reply!r}"
        except SlurmUnavailable as failure:
            error = str(failure)
        with suppress(SlurmUnavailable):
            for _ in range(3):
                ours = [job for job in squeue.query() if job.comment == f"labkit:{token}"]
                if ours:
                    return ours[0].id.partition("_")[0]
                if str(_failure(error)).startswith(REFUSED):
                    break
                time.sleep(1)
        raise _failure(error)


def snapshot_folder(root: Path = ROOT) -> Path:
    """Return the folder for a copy of the two packages (below `root`) as they are now."""
    key = hashlib.sha256()
    for path in _code(root):
        key.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return runs_dir() / CODE / key.hexdigest()[:16]


def take_snapshot(root: Path = ROOT) -> Path:
    """Copy the two packages there, where that was not done before; return the folder. Raises LabError.

    What is edited while a job waits does not change the job.
    """
    target = snapshot_folder(root)
    make_folder(target.parent)
    with suppress(OSError):
        target.parent.chmod(0o700)
    if not is_own(target.parent):
        raise LabError(f"{target.parent} is not yours alone, so its code is not trusted: choose another LABKIT_RUNS.")
    if target.is_dir():
        return target
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as folder:
            copy = Path(folder) / "copy"
            for path in _code(root):  # copytree would hide that the disk is full
                to = copy / path.relative_to(root)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, to)
            os.rename(copy, target)  # complete or not at all
    except OSError as error:
        if not target.is_dir():  # another process was faster
            raise write_error(target, error) from error
    return target


def _code(root: Path) -> list[Path]:
    found = (path for package in PACKAGES for path in sorted((root / package).rglob("*")))
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def executor_of(run: RunFolder):
    """Return the executor that a run was last started with."""
    if run.read_status().get("executor") != SlurmExecutor.name:
        from labrun.local import LocalExecutor

        return LocalExecutor()
    known = squeue.read_job_record(run).get("site")
    return SlurmExecutor(Site(**known) if known else None)


def end_job(folder: Path, *, patience_s: float = 30.0) -> None:
    """Cancel the job whose record is in `folder` and wait until it has gone. Raises LabError."""
    job = squeue.read_job_record(RunFolder(folder)).get("job")
    if not job:
        return
    with suppress(SlurmUnavailable):  # it has not begun: scancel without a signal takes it away
        command("scancel", "--full", "--signal=TERM", job)
    deadline = time.monotonic() + patience_s
    while any(one.id == job and squeue.is_open(one) for one in _answer()):
        if time.monotonic() > deadline:
            raise LabError(f"Job {job} does not end; look: squeue -j {job}")
        if time.monotonic() > deadline - patience_s + 3:
            with suppress(SlurmUnavailable):
                command("scancel", job)
        time.sleep(0.3)


def _answer() -> list[squeue.Job]:
    """Return what squeue lists. Raises LabError where Slurm does not answer."""
    try:
        return squeue.query()
    except SlurmUnavailable as error:
        raise _failure(str(error)) from None


def _open_jobs(runs: Sequence[RunFolder]) -> dict[RunFolder, squeue.Job]:
    """Return the jobs of runs that wait or work; those that only end yet (a run saves, an epilog) are waited for."""
    records = {run: record for run in runs if (record := squeue.read_job_record(run))}
    deadline = time.monotonic() + ENDING_S
    while records:
        listed = {job.id: job for job in _answer()}
        found = {run: job for run, record in records.items() if (job := squeue.find(listed, record))}
        jobs = {run: job for run, job in found.items() if squeue.is_open(job)}
        over = {run for run in jobs if run.read_status().get("state") not in state.OPEN}
        alive = {run: job for run, job in jobs.items() if job.state not in squeue.WAITING}
        ending = [f"{run.id} (job {job.id})" for run, job in alive.items() if run in over or job.state == "COMPLETING"]
        if not ending:
            return jobs
        if time.monotonic() > deadline:
            raise LabError(f"The job before is still ending: {', '.join(ending)}. Try again in a minute; see squeue.")
        time.sleep(1)
    return {}


def _write_job_record(run: RunFolder, record: dict) -> None:
    atomic_write(run.path / squeue.JOB_RECORD, to_json(record))


def _checkout() -> render.Checkout:
    """Return what jobs work with: this Python, a snapshot of the code, and the folders that the user has chosen."""
    chosen = {name: os.environ.get(name) for name in ("LABKIT_RUNS", "LABKIT_DATA", "LABKIT_CACHE")}
    folders = {name: str(Path(folder).expanduser().absolute()) for name, folder in chosen.items() if folder}
    path = [str(snapshot_folder()), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    code = {"PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1"}
    return render.Checkout(repo_root(), sys.executable, folders | code)


def _failure(error: str) -> LabError:
    """Return the sentence for a failed command: Slurm has answered and refused, or it does not answer."""
    if error.startswith("sbatch: ") and not re.search(_SILENCE, error):
        why = re.sub(r"sbatch: (error: )?(Batch job submission failed: )?", "", error).rstrip(".")
        advice = "change --site, --time or --gpus"
        if "job array" in error:  # its MaxArraySize, or the most jobs of one user
            advice = "split the sweep, or write a lower max_array into a site file of your own (--site FILE.yaml)"
        return LabError(f"{REFUSED}: {why}. Look at it with --dry-run; {advice}.")
    return LabError(
        f"Slurm does not answer ({error}). Nothing is lost: run labkit resume RUN later. If sbatch's reply was "
        "lost, labkit first checks whether the job was queued."
    )
