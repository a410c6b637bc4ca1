"""What runs in Gradescope: /autograder/submission -> /autograder/results/results.json, always."""

import datetime
import importlib
import json
import traceback
from pathlib import Path

from autograder.classroom.report import to_gradescope
from autograder.engine.fork_server import ForkServer
from autograder.engine.worker import Limits
from autograder.grading import grade

LIMITS = Limits(cpu_s=20, wall_s=60, total_cpu_s=120, total_wall_s=400, memory_mb=400)  # half a CPU, 768 MB
LIGHT = ["torch", "numpy.random", "torchvision"]  # transformers would not leave room for a submission


def run(root: str | Path = "/autograder") -> dict:
    """Grade the submission under `root` and write results.json.

    A failure of ours gives no score, one sentence there (the reason is in the log), and exit code 1.
    """
    root = Path(root)
    try:
        for name in LIGHT:
            importlib.import_module(name)
        server = ForkServer(LIGHT, shared=True)  # before this process holds what no worker may see
        chosen = json.loads((root / "source" / "lab.json").read_text())
        results = _graded(root, chosen, server)
    except Exception as error:
        traceback.print_exc()
        results = {
            "output": f"The autograder failed ({type(error).__name__}); tell your teacher.",
            "visibility": "visible",
            "stdout_visibility": "hidden",
            "tests": [],
        }
    (root / "results").mkdir(parents=True, exist_ok=True)
    (root / "results" / "results.json").write_text(json.dumps(results, indent=1))
    if "score" not in results:
        raise SystemExit(1)
    return results


def _graded(root: Path, chosen: dict, server: ForkServer) -> dict:
    metadata = _metadata(root / "submission_metadata.json")
    with server:
        report = grade(chosen["lab"], root / "submission", server, limits=LIMITS, seed=chosen.get("seed"))
    results = to_gradescope(report)
    late = hours_late(metadata)
    factor = late_factor(late, chosen.get("late_per_day", 0.0), chosen.get("grace_hours", 0.0))
    if factor < 1:
        results["output"] += f"\nHanded in {late:.1f} hours late: {factor:.0%} of the points count."
        results["score"] = round(report.score * factor, 6)
    results["extra_data"] |= {"hours_late": round(late, 3), "late_factor": factor}
    shown = chosen.get("hidden_checks", "after_due_date")
    for test in results["tests"]:
        if test["visibility"] != "visible":
            test["visibility"] = shown
    points = results["score"]
    if shown != "visible" and not all(
        result.visible for result in report.results
    ):  # Gradescope hides the total while checks are hidden: no other place may tell it
        seen = [result for result in report.results if result.visible]
        score, most = sum(result.score for result in seen), sum(result.points for result in seen)
        points = round(score * factor, 6)
        total = f"{report.score:g} of {report.points:g} points."
        told = f"{score:g} of {most:g} points of the checks that are shown; the others follow ({shown})."
        results["output"] = results["output"].replace(total, told, 1)
    if chosen.get("leaderboard"):
        results["leaderboard"] = [
            {"name": "points", "value": points},
            {"name": "seconds", "value": results["execution_time"], "order": "asc"},
        ]
    return results


def _metadata(path: Path) -> dict:
    try:
        found = json.loads(path.read_text())
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def hours_late(metadata: dict) -> float:
    """Return by how many hours the due date was missed; 0 where in time, or where there is no date."""
    try:
        handed_in = datetime.datetime.fromisoformat(metadata["created_at"])
        due = datetime.datetime.fromisoformat(metadata["assignment"]["due_date"])
        return max(0.0, (handed_in - due).total_seconds() / 3600)
    except (KeyError, TypeError, ValueError):
        return 0.0


def late_factor(hours: float, per_day: float, grace_hours: float) -> float:
    """Return which part of the points counts: `per_day` is lost for each day begun after the grace."""
    days = 0 if hours <= grace_hours else int((hours - 1e-9) // 24) + 1
    return max(0.0, round(1 - per_day * days, 6))
