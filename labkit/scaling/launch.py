"""torchrun from Python: ranks that cannot hang, on one machine or the nodes of a job; a failure shows its log."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import labkit
from labkit.run_folder import LabError, without_ranks

LAST_LINES = 12  # of a rank, in a message


@dataclass(frozen=True)
class Nodes:
    """The nodes of a Slurm job, with one task (a torchrun) on each."""

    count: int
    address: str  # of the first host: there the ranks meet
    port: int
    cpus: int  # of each node's task
    folder: Path  # on a file system that all nodes see: programs, logs and answers


def nodes_of_job(folder: Path, *, least: int = 2) -> Nodes | None:
    """Return the nodes of the Slurm job around this process; None where it has fewer than `least`, and without a job.

    folder: one that all nodes see, such as a run's. DDP_ADDRESS in the environment replaces the address of the
    first host. Raises LabError where srun cannot be called from here and where the first host does not resolve
    (each node would wait for itself).
    """
    count = int(os.environ.get("SLURM_JOB_NUM_NODES") or 1)
    if count < least:
        return None
    first = _scontrol("show", "hostnames", os.environ["SLURM_JOB_NODELIST"]).split()[0]
    # Slurm may know an address that the name service does not
    found = re.search(r"NodeAddr=(\S+)", _scontrol("show", "node", first))
    address = os.environ.get("DDP_ADDRESS") or (found[1] if found else first)
    try:
        socket.getaddrinfo(address, None)
    except OSError:
        raise LabError(
            f"The first host of this job, {first} ({address}), does not resolve here; tell your site's staff, or "
            "set DDP_ADDRESS."
        ) from None
    port = 20_000 + int(os.environ["SLURM_JOB_ID"]) % 20_000  # jobs that share a node have their own
    cpus = int(os.environ.get("SLURM_CPUS_PER_TASK") or 1)
    return Nodes(count, address, port, cpus, Path(folder))


def _scontrol(*words: str) -> str:
    """Return the output of scontrol. Raises LabError."""
    try:
        return subprocess.run(["scontrol", *words], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        why = str(getattr(error, "stderr", None) or error).strip()
        raise LabError(
            f"This job has several nodes, but scontrol does not answer here ({why}); inside a "
            "container use a job of one node, or scripts/train_ddp.sh."
        ) from error


def torchrun(
    command: Sequence[str], *, ranks: int, timeout_s: float, threads: int = 1, nodes: Nodes | None = None
) -> None:
    """Run a script, or "-m" and a module, with its arguments in `ranks` processes of this machine.

    nodes: those of the Slurm job that share the ranks instead, by srun; see `nodes_of_job`.
    Every rank may use `threads` threads. Raises LabError, with the end of the failing rank's log, when a rank
    fails or `timeout_s` has passed; no process is left behind.
    """
    with tempfile.TemporaryDirectory(prefix="labkit-ranks-", dir=nodes.folder if nodes else None) as folder:
        launch = torchrun_command(command, ranks=ranks, log_dir=Path(folder), nodes=nodes)
        log_file = Path(folder, "agent.log")
        path = (str(Path(labkit.__file__).parents[1]), os.environ.get("PYTHONPATH"))  # labkit can be imported
        environment = without_ranks(os.environ) | {
            "OMP_NUM_THREADS": str(threads),
            "PYTHONPATH": os.pathsep.join(p for p in path if p),
            "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "3",
        }
        with log_file.open("w") as log:
            agent = subprocess.Popen(launch, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            code = agent.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _stop(agent)
            raise LabError(
                f"{ranks} ranks were not done within {timeout_s:g} s and were stopped; raise timeout_s or see"
                f" where they waited:\n{last_lines(log_file.read_text(errors='replace'))}"
            ) from None
        finally:
            _stop(agent)
        if code:
            text = log_file.read_text(errors="replace")
            rank, lines = first_failure(text)
            raise LabError(f"Rank {rank} of {ranks} failed; its last lines:\n{lines or text[-2000:]}")


def torchrun_command(command: Sequence[str], *, ranks: int, log_dir: Path, nodes: Nodes | None = None) -> list[str]:
    """Return the words that start `ranks` ranks here, or as many on each of the nodes.

    A rank that dies ends all: --max-restarts=0 on its node, --kill-on-bad-exit on the others.
    Raises LabError for ranks that the nodes cannot share evenly.
    """
    program = [sys.executable, "-m", "torch.distributed.run"]
    logged = ["--tee=3", f"--log-dir={log_dir}", *command]
    if nodes is None:
        here = ["--standalone", "--local-addr=127.0.0.1", f"--nproc-per-node={ranks}", "--max-restarts=0"]
        return [*program, *here, *logged]
    if ranks % nodes.count:
        raise LabError(f"{ranks} ranks cannot be shared evenly by {nodes.count} nodes; give a multiple.")
    local = [f"--local-addr={nodes.address}"] if nodes.address.startswith("127.") else []
    return [
        *("srun", "--export=ALL", "--overlap", f"--nodes={nodes.count}", f"--ntasks={nodes.count}"),
        *("--ntasks-per-node=1", f"--cpus-per-task={nodes.cpus}", "--kill-on-bad-exit=1", "--label"),
        *(*program, f"--nnodes={nodes.count}", f"--nproc-per-node={ranks // nodes.count}", "--max-restarts=0"),
        *("--rdzv-backend=c10d", f"--rdzv-id={log_dir.name}", f"--rdzv-endpoint={nodes.address}:{nodes.port}"),
        *("--rdzv-conf=join_timeout=120,timeout=120", *local, *logged),
    ]


def _stop(agent: subprocess.Popen) -> None:
    """Ask the agent to end its ranks (they are sessions of their own), then end it."""
    if agent.poll() is None:
        agent.send_signal(signal.SIGTERM)
        try:
            agent.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(agent.pid, signal.SIGKILL)
            agent.wait()


def _by_task(log: str) -> dict[str, list[str]]:
    """Return the lines of each node's torchrun: srun puts the task's number before each, one machine has none ("")."""
    tasks: dict[str, list[str]] = {}
    for task, line in re.findall(r"^(?: *(\d+): )?(.*)$", log, re.M):
        tasks.setdefault(task, []).append(line)
    return tasks


def _of_rank(lines: Sequence[str], local: str) -> list[str]:
    return [line.partition(":")[2] for line in lines if line.startswith(f"[default{local}]:")][-LAST_LINES:]


def first_failure(log: str) -> tuple[int | str, str]:
    """Return the rank that failed first and its last lines, from the output of torchrun; ("?", "") without a report."""
    causes = []
    tasks = _by_task(log)
    for task, lines in tasks.items():
        report = "\n".join(lines).partition("Root Cause")[2]
        cause = re.search(r"time\s*: (\S+)[\s\S]*?rank\s*: (\d+) \(local_rank: (\d+)\)", report)
        causes += [(cause[1], task, cause[2], cause[3])] if cause else []
    if not causes:
        return "?", ""
    _, task, rank, local = min(causes)
    return int(rank), "\n".join(f"[rank {rank}] {line}" for line in _of_rank(tasks[task], local))


def last_lines(log: str) -> str:
    """Return the last lines of every rank, from the output of torchrun."""
    ends = []
    for task, lines in _by_task(log).items():
        for local in sorted({found[1] for line in lines if (found := re.match(r"\[default(\d+)\]:", line))}):
            place = f"node {task}, local rank {local}" if task else f"rank {local}"
            ends += [f"[{place}] {line}" for line in _of_rank(lines, local)]
    return "\n".join(ends) or log[-2000:]
