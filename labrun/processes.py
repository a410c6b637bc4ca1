"""Processes told apart for certain: a process id is given again, but never with the same start time."""

import os
import socket
from contextlib import suppress

from labkit.run_folder import process_identity as identity
from labkit.run_folder import start_time

__all__ = ["identity", "is_alive", "send"]


def is_alive(known: dict) -> bool | None:
    """Say whether the process that `identity` once named still runs; None where another host would know."""
    if not known.get("pid"):
        return False
    if known.get("host") != socket.gethostname():
        return None
    started = start_time(known["pid"])
    return started is not None and started == known.get("pid_started", started)


def send(known: dict, number: int) -> bool:
    """Send a signal to the process that `identity` named; say whether it was there to hear it."""
    if is_alive(known):
        with suppress(ProcessLookupError):
            os.kill(known["pid"], number)
            return True
    return False
