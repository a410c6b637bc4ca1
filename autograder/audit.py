"""How good are the checks? Grade every known wrong, right and hostile submission, and count the mistakes."""

import ast
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from autograder import labs
from autograder.engine import files, processes
from autograder.engine.fork_server import ForkServer
from autograder.engine.worker import Limits
from autograder.grading import Report, grade

KINDS = {"wrong": "parts.py", "correct": "parts.py", "attacks": "zeros.py"}  # what is sent along with each
SHORT_LIMITS = Limits(cpu_s=2, wall_s=5, total_cpu_s=5, total_wall_s=8)


@dataclass
class Case:
    """One file or folder of autograder/mutants/labNN, and what became of it."""

    lab: str
    kind: str
    path: Path
    report: Report | None = None

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def says(self) -> str:
        """The first line of the file: which mistake, trick or habit it shows."""
        main = self.path
        if main.is_dir():
            main = next((main / f for f in ("simclr.py", "main.py") if (main / f).is_file()), main)
        try:
            text = ast.get_docstring(ast.parse(main.read_text())) or ""
            return text.splitlines()[0] if text else self.name.replace("_", " ")
        except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
            return self.name.replace("_", " ")

    @property
    def as_it_should_be(self) -> bool:
        """Wrong ones lose points, correct ones lose none, attacks gain none and leave a whole report."""
        report = self.report
        if any(result.status == "error" for result in report.results):
            return False
        return {
            "wrong": report.score < report.points,
            "correct": report.score == report.points,
            "attacks": report.score == 0 and len(report.results) > 0,
        }[self.kind]

    @property
    def verdict(self) -> str:
        """What the report says first of what is wrong."""
        return next((one.feedback for one in self.report.results if one.status != "passed"), "")


def cases(lab: str, kinds: Iterable[str] = KINDS) -> list[Case]:
    """Return every submission of autograder/mutants/labNN."""
    root = labs.MUTANTS / lab.partition("_")[0]
    return [
        Case(lab, kind, path)
        for kind in kinds
        for path in sorted((root / kind).glob("*"))
        if not path.name.startswith((".", "__"))
    ]


def handed_in(case: Case) -> files.Files:
    """Return a case's files, its one file under the lab's name, with the shared parts beside it."""
    found = files.read(case.path)
    wanted = labs.module(case.lab).LAB.files[0]
    found.contents = {
        wanted if name == case.path.name and name.endswith(".py") else name: raw for name, raw in found.contents.items()
    }
    shared = case.path.parents[1] / KINDS[case.kind]
    if found.contents and shared.is_file():
        found.contents[shared.name] = shared.read_bytes()
    return found


def run(
    lab: str,
    server: ForkServer,
    *,
    jobs: int = 2,
    seed: int = 2026,
    brief: bool = False,
    kinds: Iterable[str] = KINDS,
    every: int = 1,
    follow=lambda case: None,
) -> list[Case]:
    """Grade all cases of a lab, `jobs` at a time; `follow(case)` hears of each. Attacks get short limits.

    brief: wrong ones are let go at the first point that they lose. every: of a kind, grade one in so many.
    """

    def one(case: Case) -> Case:
        hostile = case.kind == "attacks"
        case.report = grade(
            case.lab,
            handed_in(case),
            server,
            seed=seed,
            limits=SHORT_LIMITS if hostile else None,
            brief=brief and not hostile,
        )
        follow(case)
        return case

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, [case for kind in kinds for case in cases(lab, [kind])[::every]]))


@dataclass
class Summary:
    """The counts of one lab's audit."""

    lab: str
    found: list[Case]
    seconds: float
    survivors: list[int]

    def count(self, kind: str) -> tuple[int, int]:
        """Return how many of a kind are as they should be, and how many there are."""
        those = [case for case in self.found if case.kind == kind]
        return sum(case.as_it_should_be for case in those), len(those)

    @property
    def good(self) -> bool:
        return all(case.as_it_should_be for case in self.found) and not self.survivors

    def sentence(self) -> str:
        killed, wrong = self.count("wrong")
        accepted, correct = self.count("correct")
        harmless, attacks = self.count("attacks")
        return (
            f"{self.lab}: {killed} of {wrong} wrong submissions lose points, "
            f"{correct - accepted} of {correct} correct ones are rejected, "
            f"{attacks - harmless} of {attacks} attacks gain, "
            f"{len(self.survivors)} processes survive; {self.seconds:.0f} s."
        )


def audit(names: list[str], *, jobs: int = 2, seed: int = 2026, follow=lambda case: None) -> list[Summary]:
    """Return the audit of each lab."""
    summaries = []
    with ForkServer() as server:
        for name in names:
            start = time.monotonic()
            found = run(name, server, jobs=jobs, seed=seed, follow=follow)
            time.sleep(0.2)
            summaries.append(
                Summary(labs.stem(name), found, time.monotonic() - start, processes.owned_by(server.users))
            )
    return summaries


TITLES = {
    "wrong": ("Wrong submissions", "mistake"),
    "correct": ("Correct but unusual ones", "habit"),
    "attacks": ("Attacks", "trick"),
}


def to_markdown(summaries: list[Summary], *, machine: str) -> str:
    """Return docs/autograder_audit.md."""
    lines = ["# Audit of the autograder", "", "Written by `python -m autograder audit`; do not edit.", "", machine, ""]
    lines += [f"* {summary.sentence()}" for summary in summaries]
    for summary in summaries:
        lines += ["", f"## {summary.lab}"]
        for kind, (title, column) in TITLES.items():
            those = [case for case in summary.found if case.kind == kind]
            lines += [
                "",
                f"### {title} ({len(those)})",
                "",
                f"| file | {column} | score | s | report says first |",
                "| --- | --- | --- | --- | --- |",
            ]
            lines += [_row(case) for case in those]
    return "\n".join(lines) + "\n"


def _row(case: Case) -> str:
    report, clean = case.report, lambda text: text.replace("|", "/").replace("\n", " ")[:160]
    alarm = "" if case.as_it_should_be else " **NOT AS IT SHOULD BE**"
    return (
        f"| {case.name} | {clean(case.says)} | {report.score:g} of {report.points:g}{alarm} | "
        f"{report.seconds:.1f} | {clean(case.verdict)} |"
    )
