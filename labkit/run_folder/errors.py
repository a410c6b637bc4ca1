"""Errors that a user sees as one sentence instead of a traceback."""

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any


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


def whole_number(name: str, value: Any, *, least: int = 1, otherwise: str = "") -> int:
    """Return a whole number of any library as an int; raise LabError unless it is one of at least `least`.

    otherwise: what else the setting may be, such as ", or None for all".
    """
    whole = isinstance(value, Integral) or (isinstance(value, Real) and float(value).is_integer())
    if isinstance(value, bool) or not whole or value < least:
        raise LabError(f"{name} is {value!r}; give a whole number, at least {least}{otherwise}.")
    return int(value)


def number(name: str, value: Any, *, above: float = -math.inf) -> float:
    """Return a finite number as a float; raise LabError unless it is one above `above`."""
    if isinstance(value, bool) or not isinstance(value, Real) or not above < float(value) < math.inf:
        least = f" above {above:g}" if above > -math.inf else ""
        raise LabError(f"{name} is {value!r}; give a finite number{least}.")
    return float(value)
