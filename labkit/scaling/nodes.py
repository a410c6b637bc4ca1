"""The nodes of a Slurm job, and the address at which its ranks meet."""

import os
import re
import socket
import subprocess
from collections.abc import Mapping
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
    return nodes_at(count, first, _scontrol("show", "node", first), folder, os.environ)


def nodes_at(count: int, first: str, shown: str, folder: Path, environment: Mapping[str, str]) -> Nodes:
    """Return the nodes of a job from what scontrol shows of the first. Raises LabError."""
    found = re.search(r"NodeAddr=(\S+)", shown)  # Slurm may know an address that the name service does not
    address = environment.get("DDP_ADDRESS") or (found[1] if found else first)
    try:
        socket.getaddrinfo(address, None)
    except OSError:
        raise LabError(
            f"The first host of this job, {first} ({address}), does not resolve here; tell your site's staff, or "
            "set DDP_ADDRESS."
        ) from None
    port = 20_000 + int(environment["SLURM_JOB_ID"]) % 20_000  # jobs that share a node have their own
    cpus = int(environment.get("SLURM_CPUS_PER_TASK") or 1)
    return Nodes(count, address, port, cpus, Path(folder))


def _scontrol(*words: str) -> str:
    """Return the output of scontrol. Raises LabError."""
    try:
        done = subprocess.run(["scontrol", *words], capture_output=True, text=True, timeout=20)
        answer, why = "" if done.returncode else done.stdout.strip(), done.stderr.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        answer, why = "", str(error)
    if not answer:
        raise LabError(
            f"This job has several nodes, but scontrol does not answer here ({why}); inside a "
            "container use a job of one node, or scripts/train_ddp.sh."
        )
    return answer
