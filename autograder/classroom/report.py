"""One report in the forms that people and programs read: a table, Gradescope's results.json, a row."""

from autograder.classroom.diagnosis import closest
from autograder.grading import Report, Result

VISIBILITY = {True: "visible", False: "after_due_date"}


def to_gradescope(report: Report) -> dict:
    """Return the report in Gradescope's results.json schema."""
    return {
        "score": report.score,
        "execution_time": round(report.seconds, 2),
        "output": "\n".join([f"{report.score:g} of {report.points:g} points.", *report.notes]),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [_test(number, result) for number, result in enumerate(report.results, 1)],
        "extra_data": {
            "lab": report.lab,
            "submission": report.submission,
            "seed": report.seed,
            "not_confined_by": report.refused,
            "closest_mistake": closest(report),
            "printed": report.printed[:500],
            "kinds": {r.name: r.kind for r in report.results if r.kind},
        },
    }


def _test(number: int, result: Result) -> dict:
    return {
        "name": result.title,
        "number": str(number),
        "score": round(result.score, 6),
        "max_score": result.points,
        "status": "passed" if result.status == "passed" else "failed",
        "output": result.feedback or "Passed.",
        "output_format": "text",
        "visibility": VISIBILITY[result.visible],
        "tags": [result.name],
        "extra_data": {"seconds": round(result.seconds, 3)},
    }


def to_text(report: Report) -> str:
    """Return the report as lines for a terminal or a notebook.

    A full grading, which is the teacher's, says what did not confine the submission.
    """
    width = max((len(result.title) for result in report.results), default=0)
    lines = [f"{report.lab}: {report.score:g} of {report.points:g} points ({report.seconds:.1f} s)"]
    lines += report.notes
    for result in report.results:
        mark = {"passed": "ok", "error": "??"}.get(result.status, "--")
        lines.append(f"{mark}  {result.score:>4g}/{result.points:<4g} {result.title:<{width}}")
        if result.feedback:
            lines.append("      " + result.feedback.replace("\n", "\n      "))
    if report.refused and not all(result.visible for result in report.results):
        lines.append(f"This machine refused the submission's worker: {'; '.join(report.refused)}.")
    return "\n".join(lines)
