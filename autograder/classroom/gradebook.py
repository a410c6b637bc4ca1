"""The tables of a class: gradebook.csv (and Canvas's and Moodle's), and how each check did its work."""

import csv
import io
from collections import Counter
from pathlib import Path
from statistics import mean, pstdev

from autograder.classroom.diagnosis import closest
from autograder.classroom.feedback import to_html
from autograder.classroom.records import file_name
from autograder.engine.files import stem
from autograder.grading import Report
from labkit.run_folder import LabError, atomic_write

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe(value) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    risky = not isinstance(value, int | float) and text.lstrip(" ").startswith(FORMULA)
    return f"'{text}" if risky else text


def to_csv(rows: list[dict]) -> str:
    """Return rows as CSV, every cell quoted and formula-safe."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow([safe(name) for name in rows[0]] if rows else [])
    writer.writerows([[safe(cell) for cell in row.values()] for row in rows])
    return out.getvalue()


def student(report: Report) -> str:
    """Return the student's name: in a class one that no other has, else the submission's."""
    return report.student or report.submission


def first_feedback(report: Report) -> str:
    return next((f"{one.title}: {one.feedback}" for one in report.results if one.status != "passed"), "")


def gradebook(reports: list[Report]) -> list[dict]:
    """Return one row per submission. Nothing in it depends on time or machine."""
    return [
        {
            "student": student(report),
            "submission": report.submission,
            "lab": report.lab,
            "score": report.score,
            "max": report.points,
            **{one.name.removeprefix("test_"): one.score for one in report.results},
            "first remark": first_feedback(report),
            "closest mistake": closest(report),
            "notes": " ".join(report.notes),
        }
        for report in reports
    ]


def canvas(reports: list[Report]) -> list[dict]:
    """Return the rows that Canvas imports."""
    empty = dict.fromkeys(["ID", "SIS User ID"], "")
    return [
        {"Student": student(one), **empty, "SIS Login ID": student(one), "Section": "", one.lab: one.score}
        for one in reports
    ]


def moodle(reports: list[Report]) -> list[dict]:
    """Return the rows that Moodle imports."""
    return [
        {"ID number": student(one), "Grade": one.score, "Feedback comments": first_feedback(one)} for one in reports
    ]


def items(reports: list[Report]) -> list[dict]:
    """Return for each check: difficulty (mean share of its points), discrimination, most frequent remark.

    Discrimination is the correlation of the check's score with the score of all other checks; empty where one
    of the two is the same for everybody.
    """
    rows = []
    for i, one in enumerate(reports[0].results if reports else []):
        scores = [report.results[i].score for report in reports]
        rest = [report.score - score for report, score in zip(reports, scores, strict=True)]
        remarks = Counter(report.results[i].feedback for report in reports if report.results[i].feedback)
        common, count = remarks.most_common(1)[0] if remarks else ("", 0)
        rows.append(
            {
                "check": one.title,
                "points": one.points,
                "difficulty": round(mean(scores) / one.points, 3),
                "discrimination": _correlation(scores, rest),
                "remark": common,
                "times": count,
            }
        )
    return rows


def similar(reports: list[Report], *, least: float = 0.6) -> list[dict]:
    """Return the pairs that are built alike, most alike first: a reason to look, not a proof."""
    rows = []
    for i, one in enumerate(reports):
        for other in reports[i + 1 :]:
            share = _overlap(one.sketch, other.sketch)
            if share >= least:
                rows.append({"one": student(one), "other": student(other), "alike": round(share, 3)})
    return sorted(rows, key=lambda row: -row["alike"])


def _overlap(a: list[int], b: list[int], least_size: int = 40) -> float:
    """Return the Jaccard overlap of two sets of which the smallest hashes are kept; 0 for very short ones."""
    if min(len(a), len(b)) < least_size:
        return 0.0
    size = min(len(a), len(b)) if max(len(a), len(b)) >= 400 else len(set(a) | set(b))
    smallest = sorted(set(a) | set(b))[:size]
    both = set(a) & set(b)
    return sum(n in both for n in smallest) / len(smallest)


def _correlation(a: list[float], b: list[float]) -> float | str:
    spread = pstdev(a) * pstdev(b)
    if spread < 1e-12:
        return ""
    middle_a, middle_b = mean(a), mean(b)
    return round(mean((x - middle_a) * (y - middle_b) for x, y in zip(a, b, strict=True)) / spread, 3)


def write(out: Path, paths: list[Path], reports: list[Report]) -> str:
    """Write the tables and the pages of a class and return what was written, as lines. Raises LabError.

    Every entry has one row; a page that cannot be written costs no other anything.
    """
    lines = []
    for path, report in zip(paths, reports, strict=True):
        try:
            atomic_write(pages(out) / f"{file_name(path)}.html", to_html(report))
        except (OSError, ValueError, LabError) as error:
            lines.append(f"The page of {student(report)} was not written: {error}")
    for table, rows in zip(tables(out), (gradebook, canvas, moodle, items, similar), strict=True):
        atomic_write(table, to_csv(rows(reports)))
    names = {student(report) for report in reports}
    if not len(names) == len(reports) == len(paths):
        raise LabError(f"{len(paths)} entries have {len(reports)} rows with {len(names)} names: report this fault.")
    whole = [
        one for path, one in zip(paths, map(student, reports), strict=True) if not path.is_dir() and stem(one) != one
    ]
    lines += [f"{name} shares its name with another entry: each has a row of its own." for name in whole]
    failed = [student(report) for report in reports if any(one.kind == "grader" for one in report.results)]
    lines += [f"The grader itself failed on {', '.join(failed)}: grade again."] if failed else []
    lines += [f"{out}: {len(paths)} entries, {len(reports)} rows; one page each in {pages(out)}/"]
    refused = sorted({one for report in reports for one in report.refused})
    return "\n".join(lines + ([f"This machine refused the workers: {'; '.join(refused)}."] if refused else []))


def pages(out: Path) -> Path:
    return out.with_name(f"{out.stem}_feedback")


def tables(out: Path) -> list[Path]:
    parts = ("", "_canvas", "_moodle", "_items", "_similar")
    return [out if not part else out.with_name(f"{out.stem}{part}.csv") for part in parts]
