"""Processes told apart for certain: a process id is given again, but never with the same start time."""

import os
import socket
from contextlib import suppress
from pathlib import Path


def identity(pid: int | None = None) -> dict:
    """Return what names this process (or `pid`) on this machine: host, pid and start time."""
    pid = pid or os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "pid_started": _start_time(pid)}


def is_alive(known: dict) -> bool | None:
    """Say whether the process that `identity` once named still runs; None where another host would know."""
    if not known.get("pid"):
        return False
    if known.get("host") != socket.gethostname():
        return None
    started = _start_time(known["pid"])
    return started is not None and started == known.get("pid_started", started)


def send(known: dict, number: int) -> bool:
    """Send a signal to the process that `identity` named; say whether it was there to hear it."""
    if is_alive(known):
        with suppress(ProcessLookupError):
            os.kill(known["pid"], number)
            return True
    return False


def _start_time(pid: int) -> str | None:
    """Return the kernel's start time of a live process (None: no such process, or a zombie)."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if state in "ZX" else fields[18]
    except FileNotFoundError:
        return None if Path("/proc/self").exists() else _alive_without_proc(pid)
    except OSError:
        return None


def _alive_without_proc(pid: int) -> str | None:
    """macOS has no /proc: a live process is all that can be told."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "alive"
