"""Processes: which one a run belongs to, whether it still lives, which cores and environment it may use."""

import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

_RANK = re.compile(r"(LOCAL_|GROUP_|ROLE_)?(RANK|WORLD_SIZE)$|ROLE_NAME$|MASTER_|TORCHELASTIC_")


def process_identity(pid: int | None = None) -> dict[str, Any]:
    """Return what names this process (or `pid`) for certain: host, pid and start time."""
    pid = pid or os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "pid_started": start_time(pid)}


def start_time(pid: int) -> float | None:
    """Return when a live process began, in seconds after the machine's start (None: no such process, or a zombie).

    A process id is given again, but never with the same start time; a corrected clock does not move it.
    """
    try:
        import psutil
    except ImportError:  # a bare GPU image: the id alone must do
        return 0.0 if os.path.exists(f"/proc/{pid}") else None
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        return round(process.create_time() - psutil.boot_time(), 2)
    except psutil.Error:
        return None


def is_alive(known: dict[str, Any]) -> bool | None:
    """Return whether the process that `process_identity` named still runs (None: only another host knows)."""
    if not known.get("pid"):
        return False
    if known.get("host") != socket.gethostname():
        return None
    started = start_time(known["pid"])
    return started is not None and abs(started - float(known.get("pid_started") or started)) < 0.1


def send_signal(known: dict[str, Any], number: int) -> bool:
    """Send a signal to the process that `process_identity` named; return whether it was there to receive it."""
    if is_alive(known):
        with suppress(ProcessLookupError):
            os.kill(known["pid"], number)
            return True
    return False


def usable_cores() -> int:
    """Return how many cores this process may use (a job may have fewer than the machine)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def without_ranks(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without rank, world size and meeting point of a surrounding launcher."""
    return {name: value for name, value in environment.items() if not _RANK.match(name)}
