"""Which known mistake a submission resembles: its failed checks and remarks against those of the lab's
mutants.

The audit writes what each mutant gets into autograder/mutants/labNN/signatures.json; a teacher's report names
the closest. Numbers in remarks are left out, since every grading draws its own.
"""

import json
import re

from autograder import labs
from autograder.grading import Report

NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?%?")


def signature(report: Report) -> list[str]:
    """Return what tells a mistake: each failed check with its remark, numbers left out."""
    return sorted(
        f"{one.name}: {NUMBER.sub('#', one.feedback)[:160]}" for one in report.results if one.status != "passed"
    )


def write(lab: str, cases) -> None:
    """Write the signatures of a lab's wrong submissions, each with what it says of itself."""
    known = {
        case.name: {"says": case.says, "signature": signature(case.report)} for case in cases if case.kind == "wrong"
    }
    path = labs.MUTANTS / lab.partition("_")[0] / "signatures.json"
    if path.parent.is_dir():
        path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def closest(report: Report, least: float = 0.5) -> str:
    """Return the known mistake that a report resembles most, as its own first line; '' where none does."""
    mine = set(signature(report))
    path = labs.MUTANTS / report.lab.partition("_")[0] / "signatures.json"
    if not mine or not path.is_file():
        return ""
    known = json.loads(path.read_text())
    overlap, name = max(
        ((_overlap(mine, set(one["signature"])), name) for name, one in known.items()), default=(0.0, "")
    )
    return f"{name}: {known[name]['says']}" if overlap >= least else ""


def _overlap(a: set, b: set) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0
