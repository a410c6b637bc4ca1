"""What a check file is written with: a lab, points for a check, and `expect` with its sentence."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from autograder.engine.worker import Limits


@dataclass(frozen=True)
class Lab:
    """What a check file says once, as LAB.

    files: how the student's file may be called, best first. names: what is looked for in a submission.
    helpers: classes and functions of the check file that the worker needs (their source is sent: they see
    torch, nn, Tensor and autograder/engine/confined/kit.py, and must return numbers, never a verdict).
    """

    title: str
    files: Sequence[str]
    names: Sequence[str]
    helpers: Sequence[Callable] = ()
    limits: Limits = field(default_factory=Limits)

    def source(self) -> str:
        return "\n\n".join(inspect.getsource(one) for one in self.helpers)


@dataclass(frozen=True)
class About:
    """Points, title and visibility of one check."""

    points: float
    title: str
    visible: bool


def check(points: float, title: str, *, visible: bool = False) -> Callable:
    """Mark a test function as a check. Visible ones are also run by the student, so they use no reference."""

    def mark(function: Callable) -> Callable:
        function.check = About(float(points), title, visible)
        return function

    return mark


class CheckFailed(AssertionError):
    """An expectation failed; the text is for the student; `keep` is the part of the points that stays."""

    def __init__(self, sentence: str, keep: float = 0.0):
        super().__init__(sentence)
        self.keep = keep


def expect(condition, sentence: str, *, keep: float = 0.0) -> None:
    """Raise CheckFailed with a sentence for the student unless the condition holds (nan never does)."""
    if not bool(condition):
        raise CheckFailed(sentence, keep)
