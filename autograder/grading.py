"""Grade one submission: run every check against a confined worker and always return a whole report."""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autograder import labs
from autograder.checking import CheckFailed
from autograder.draw import Draw, new_seed
from autograder.engine import files
from autograder.engine.fork_server import ForkServer
from autograder.engine.worker import Limits
from autograder.student import Student, StudentFault

BAD_ANSWER = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RuntimeError)


@dataclass
class Result:
    """The verdict of one check: `status` is passed, failed or error (a mistake of the grader's own)."""

    name: str
    title: str
    points: float
    score: float
    visible: bool
    status: str
    feedback: str
    kind: str = ""
    seconds: float = 0.0


@dataclass
class Report:
    """All verdicts on one submission, and under which conditions they were made."""

    lab: str
    submission: str
    seed: int
    results: list[Result]
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    printed: str = ""
    seconds: float = 0.0
    sketch: list[int] = field(default_factory=list)
    student: str = ""  # in a class: a name that no other row has

    @property
    def score(self) -> float:
        return round(sum(result.score for result in self.results), 6)

    @property
    def points(self) -> float:
        return sum(result.points for result in self.results)


def grade(
    lab: str,
    submission: str | Path | files.Files,
    server: ForkServer,
    *,
    seed: int | None = None,
    limits: Limits | None = None,
    visible_only: bool = False,
    brief: bool = False,
    stub: str | None = None,
) -> Report:
    """Return the report on a submission: a path (folder, .py, .ipynb, .zip) or its files, already read.

    Raises LabError where the machine, not the submission, is at fault (see ForkServer.check_imports). The
    same seed gives the same report. brief: nothing more is run once points are lost. visible_only: for the
    student, who waits, so the machine is looked at only where points are lost.
    stub: the lab's stub, if the report shall tell how the submission differs from it in structure.
    """
    start, seed = time.monotonic(), new_seed() if seed is None else seed
    checked = labs.module(lab)
    handed_in = submission if isinstance(submission, files.Files) else files.read(submission)
    if not visible_only:
        server.check_imports()
    student = Student(checked.LAB, handed_in, server, limits)
    try:
        results = []
        for one in labs.checks(checked, visible_only=visible_only):
            lost = brief and any(result.score < result.points for result in results)
            results.append(result_of(one, 0.0, "failed", "Not run.", "brief") if lost else judge(one, student, seed))
        sketch = student.sketch(stub) if stub is not None else []
    finally:
        student.close()
    if any(result.score < result.points and result.kind != "not implemented" for result in results):
        server.check_imports()
    for result in results:
        result.feedback = server.scrub(result.feedback)
    notes, seconds = [server.scrub(note) for note in student.notes], time.monotonic() - start
    known = student.refused, student.printed, seconds, sketch
    return Report(labs.stem(lab), handed_in.name, seed, results, notes, *known)


def judge(function: Callable, student: Student, seed: int) -> Result:
    """Return the verdict of one check. Nothing that it raises gets through, a skip included."""
    about, draw, start = function.check, Draw(seed, function.__name__), time.monotonic()
    score, status, feedback, kind = 0.0, "failed", "", ""
    try:
        student.begin(draw.seed, about.title)
        function(student, draw)
        score, status = about.points, "passed"
    except CheckFailed as error:
        score, feedback = about.points * max(0.0, min(0.9, error.keep)), str(error)
    except StudentFault as error:
        feedback, kind = str(error), error.kind
    except BAD_ANSWER as error:  # a list where a tensor was asked for, a shape that does not fit
        kind = "odd answer"
        feedback = f"What your code returned cannot be used here ({type(error).__name__}: {str(error)[:200]})."
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # pytest's Skipped is a BaseException
        status, kind = "error", "grader"
        feedback = f"The grader itself failed here ({type(error).__name__}); tell your teacher."
        traceback.print_exc()
    return result_of(function, score, status, feedback, kind, time.monotonic() - start)


def result_of(function: Callable, score: float, status: str, feedback: str, kind: str, seconds: float = 0.0) -> Result:
    name, about = function.__name__, function.check
    return Result(name, about.title, about.points, score, about.visible, status, feedback, kind, seconds)
