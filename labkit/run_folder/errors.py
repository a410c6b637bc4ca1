"""Errors that a user sees as one sentence instead of a traceback."""

import difflib
from collections.abc import Iterable


class LabError(ValueError):
    """A user's mistake, explained in one sentence: the value, the expectation, the next step."""

    def __init__(self, sentence: object = ""):
        super().__init__(str(sentence).encode(errors="backslashreplace").decode())  # file names may be no UTF-8


class Interrupted(Exception):
    """Training stopped on request, has saved a checkpoint and can be resumed."""


class Superseded(Exception):
    """A newer attempt at the same run has begun on another machine: this one must not write any more."""


def unknown_name(kind: str, name: object, valid: Iterable[str]) -> LabError:
    """Return the error for a name that `valid` does not hold, nearest names first."""
    valid = sorted(valid)
    if not valid:
        return LabError(f"Unknown {kind} {name!r}: there is none yet.")
    nearest = difflib.get_close_matches(str(name).lower(), valid, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(nearest)}? " if nearest else ""
    return LabError(f"Unknown {kind} {name!r}. {hint}Valid: {', '.join(valid)}.")
