"""torchrun from Python: ranks that cannot hang, and whose failure shows the failing rank's log."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import labkit
from labkit.run_folder import LabError
from labkit.run_folder.ranks import without_ranks
from labkit.scaling.nodes import Nodes, last_words, srun


def torchrun(
    command: Sequence[str], *, ranks: int, timeout_s: float, threads: int = 1, nodes: Nodes | None = None
) -> None:
    """Run a script, or "-m" and a module, with its arguments in `ranks` processes of this machine.

    nodes: those of the Slurm job that share the ranks instead, by srun; see `nodes_of_job`.
    Every rank may use `threads` threads. Raises LabError, with the end of the failing rank's log, when a rank
    fails or `timeout_s` has passed; no process is left behind.
    """
    with tempfile.TemporaryDirectory(prefix="labkit-ranks-", dir=nodes and nodes.folder) as folder:
        logs = Path(folder)
        launch = srun(command, nodes, ranks=ranks, log_dir=logs) if nodes else _here(command, ranks, logs)
        agent_log = logs / "agent.log"
        with agent_log.open("w") as log:
            agent = subprocess.Popen(launch, env=_environment(threads), stdout=log, stderr=log, start_new_session=True)
        try:
            code = agent.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _stop(agent)
            said = agent_log.read_text(errors="replace")
            last = said[-2000:] if nodes else _last_words(logs, None)
            raise LabError(
                f"{ranks} ranks were not done within {timeout_s:g} s and were stopped; raise timeout_s or see"
                f" where they waited:\n{last}"
            ) from None
        finally:
            _stop(agent)
        if code:
            said = agent_log.read_text(errors="replace")
            rank, last = last_words(said) if nodes else _first_words(logs, said)
            raise LabError(f"Rank {rank} of {ranks} failed; its last lines:\n{last or said[-2000:]}")


def _here(command: Sequence[str], ranks: int, logs: Path) -> list[str]:
    """Return the words that start `ranks` ranks on this machine."""
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"),
        *(f"--nproc-per-node={ranks}", "--redirects=3", f"--log-dir={logs}", *command),
    ]


def _environment(threads: int) -> dict[str, str]:
    """Return this environment without a surrounding launcher's ranks, with labkit importable."""
    kept = without_ranks(os.environ)
    root = str(Path(labkit.__file__).parents[1])
    path = os.pathsep.join(p for p in (root, kept.get("PYTHONPATH")) if p)
    mine = {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": path, "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "3"}
    return kept | mine


def _stop(agent: subprocess.Popen) -> None:
    """Ask the agent to end its ranks (they are sessions of their own), then end it."""
    if agent.poll() is None:
        agent.send_signal(signal.SIGTERM)
        try:
            agent.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(agent.pid, signal.SIGKILL)
            agent.wait()


def _first_failure(text: str) -> int | str:
    """Return the rank that torchrun names as the root cause in its report."""
    cause = text.partition("Root Cause")[2]
    found = re.search(r"rank\s*:\s*(\d+)", cause)
    return int(found.group(1)) if found else "?"


def _first_words(folder: Path, said: str) -> tuple[int | str, str]:
    """Return the rank that failed first on this machine, and its last lines."""
    rank = _first_failure(said)
    return rank, _last_words(folder, rank)


def _last_words(folder: Path, rank: int | str | None, *, lines: int = 12) -> str:
    """Return the last log lines of one rank, or of all."""
    logs = sorted(folder.glob(f"*/attempt_0/{'*' if rank is None else rank}/std*.log"))
    ends = [(log.parent.name, log.read_text(errors="replace").splitlines()[-lines:]) for log in logs]
    return "\n".join(f"[rank {name}] {line}" for name, end in ends for line in end)
