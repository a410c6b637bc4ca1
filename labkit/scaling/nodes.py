"""torchrun on all nodes of a Slurm job: where its ranks meet, and the words that srun gets."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.run_folder import LabError


@dataclass(frozen=True)
class Nodes:
    """The nodes of a Slurm job, with one task (a torchrun) on each."""

    count: int
    address: str  # of the first host: there the ranks meet
    port: int
    cpus: int  # of each node's task
    folder: Path  # on a file system that all nodes see: programs, logs and answers


def nodes_of_job(folder: Path) -> Nodes | None:
    """Return the nodes of the Slurm job around this process; None in a job of one node, and without a job.

    folder: one that all nodes see, such as a run's. Raises LabError where srun cannot be called from here
    and where the first host does not resolve (each node would wait for itself).
    """
    count = int(os.environ.get("SLURM_JOB_NUM_NODES") or 1)
    if count < 2:
        return None
    first = _ask("show", "hostnames", os.environ["SLURM_JOB_NODELIST"]).split()[0]
    return nodes_at(count, first, _ask("show", "node", first), folder, os.environ)


def nodes_at(count: int, first: str, said: str, folder: Path, environment: Mapping[str, str]) -> Nodes:
    """Return the nodes of a job from what Slurm says about the first of them. Raises LabError."""
    found = re.search(r"NodeAddr=(\S+)", said)  # Slurm may know an address that the name service does not
    address = found[1] if found else first
    try:
        socket.getaddrinfo(address, None)
    except OSError:
        raise LabError(
            f"The first host of this job, {first} ({address}), does not resolve here; tell your site's staff."
        ) from None
    port = 20_000 + int(environment["SLURM_JOB_ID"]) % 20_000  # jobs that share a node have their own
    cpus = int(environment.get("SLURM_CPUS_PER_TASK") or 1)
    return Nodes(count, address, port, cpus, Path(folder))


def srun(command: Sequence[str], nodes: Nodes, *, ranks: int, log_dir: Path) -> list[str]:
    """Return the words that start `ranks` ranks, as many on each node, of a script or "-m" and a module.

    A rank that dies ends all: --max-restarts=0 on its node, --kill-on-bad-exit on the others.
    Raises LabError for ranks that the nodes cannot share evenly.
    """
    if ranks % nodes.count:
        raise LabError(f"{ranks} ranks cannot be shared evenly by {nodes.count} nodes; give a multiple.")
    local = [f"--local-addr={nodes.address}"] if nodes.address.startswith("127.") else []
    return [
        *("srun", "--export=ALL", "--overlap", f"--nodes={nodes.count}", f"--ntasks={nodes.count}"),
        *("--ntasks-per-node=1", f"--cpus-per-task={nodes.cpus}", "--kill-on-bad-exit=1", "--label"),
        *(sys.executable, "-m", "torch.distributed.run", f"--nnodes={nodes.count}"),
        *(f"--nproc-per-node={ranks // nodes.count}", "--max-restarts=0", "--rdzv-backend=c10d"),
        *(f"--rdzv-id={log_dir.name}", f"--rdzv-endpoint={nodes.address}:{nodes.port}"),
        *("--rdzv-conf=join_timeout=60,timeout=60", *local, "--tee=3", f"--log-dir={log_dir}", *command),
    ]


def last_words(log: str, *, lines: int = 12) -> tuple[int | str, str]:
    """Return the rank that failed first and the last lines it said, from what srun --label has shown.

    ("?", "") where no torchrun has said which rank it was.
    """
    tasks: dict[str, list[str]] = {}
    for task, line in re.findall(r"^ *(\d+): (.*)$", log, re.M):
        tasks.setdefault(task, []).append(line)
    causes = []
    for task, said in tasks.items():
        report = "\n".join(said).partition("Root Cause")[2]
        cause = re.search(r"time\s*: (\S+)[\s\S]*?rank\s*: (\d+) \(local_rank: (\d+)\)", report)
        causes += [(cause[1], task, cause[2], cause[3])] if cause else []
    if not causes:
        return "?", ""
    _, task, rank, local = min(causes)
    own = [line for line in tasks[task] if line.startswith(f"[default{local}]:")]
    return int(rank), "\n".join(f"[rank {rank}] {line.partition(':')[2]}" for line in own[-lines:])


def _ask(*words: str) -> str:
    """Return what scontrol says. Raises LabError."""
    try:
        done = subprocess.run(["scontrol", *words], capture_output=True, text=True, timeout=20)
        why = done.stderr.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        done, why = None, str(error)
    if done is None or done.returncode or not done.stdout.strip():
        raise LabError(
            f"This job has several nodes, but Slurm cannot be asked about them from here ({why}); inside a "
            "container use a job of one node, or scripts/train_ddp.sh."
        )
    return done.stdout
