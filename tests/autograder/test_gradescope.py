"""The zip for Gradescope, run in a folder that imitates /autograder, and the schema of what it writes."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import jsonschema
import pytest
import torch

from autograder import labs
from autograder.gradescope import container, package
from labkit.run_folder import LabError

VISIBILITY = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}
FORMAT = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": ["score"]}, {"required": ["tests"]}],
    "properties": {
        "score": {"type": "number"},
        "execution_time": {"type": "number"},
        "output": {"type": "string"},
        "output_format": FORMAT,
        "test_output_format": FORMAT,
        "test_name_format": FORMAT,
        "visibility": VISIBILITY,
        "stdout_visibility": VISIBILITY,
        "extra_data": {"type": "object"},
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "score": {"type": "number"},
                    "max_score": {"type": "number"},
                    "status": {"enum": ["passed", "failed"]},
                    "name": {"type": "string"},
                    "name_format": FORMAT,
                    "number": {"type": "string"},
                    "output": {"type": "string"},
                    "output_format": FORMAT,
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "visibility": VISIBILITY,
                    "extra_data": {"type": "object"},
                },
            },
        },
        "leaderboard": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "value"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string"},
                    "value": {"type": ["number", "string"]},
                    "order": {"enum": ["asc", "desc"]},
                },
            },
        },
    },
}


@pytest.mark.parametrize(("hours", "factor"), [(0, 1), (0.4, 1), (0.6, 0.9), (24, 0.9), (24.1, 0.8), (9999, 0)])
def test_each_day_begun_costs_after_the_grace(hours, factor):
    assert container.late_factor(hours, 0.1, 0.5) == factor


def test_a_date_that_is_missing_or_odd_is_not_late():
    due = {"assignment": {"due_date": "2026-11-20T10:00:00.0-07:00"}, "created_at": "2026-11-20T20:00:00.0+00:00"}
    assert container.hours_late(due) == 3
    assert container.hours_late({}) == container.hours_late(due | {"created_at": "soon"}) == 0


def test_a_failure_of_the_grader_is_no_grade(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise LabError("The grader's jail hides a part of Python")

    monkeypatch.setattr(container, "ForkServer", refuse)
    with pytest.raises(SystemExit) as ended:
        container.run(tmp_path)
    results = json.loads((tmp_path / "results" / "results.json").read_text())
    jsonschema.validate(results, SCHEMA)
    assert ended.value.code == 1 and "score" not in results and not results["tests"]
    assert "autograder failed" in results["output"] and str(tmp_path) not in json.dumps(results)


@pytest.mark.integration
def test_the_zip_runs_in_a_clean_folder(tmp_path):
    made = package.build("lab03", tmp_path / "up.zip", late_per_day=0.25, leaderboard=True)
    root = tmp_path / "autograder"
    with zipfile.ZipFile(made) as archive:
        names = set(archive.namelist())
        archive.extractall(root / "source")
    assert {"setup.sh", "run_autograder", "lab.json"} <= names
    assert not [name for name in names if "mutants" in name or "lab05" in name]
    os.chmod(root / "source" / "run_autograder", 0o755)
    (root / "submission").mkdir()
    shutil.copy(labs.MUTANTS / "lab03" / "correct" / "big_main" / "main.py", root / "submission" / "main.py")
    (root / "submission_metadata.json").write_text(
        json.dumps({"created_at": "2026-11-21T10:00:00-07:00", "assignment": {"due_date": "2026-11-21T09:00:00-07:00"}})
    )
    environment = {"PATH": os.environ["PATH"], "AUTOGRADER_ROOT": str(root), "GRADER_PYTHON": sys.executable}
    done = subprocess.run([str(root / "source" / "run_autograder")], env=environment, capture_output=True, text=True)
    results = json.loads((root / "results" / "results.json").read_text())
    jsonschema.validate(results, SCHEMA)
    lost = [one for one in results["tests"] if one["status"] != "passed"]
    assert results["score"] == 15, (done.stderr[-1500:], lost)
    shown = [one for one in results["tests"] if one["visibility"] == "visible"]
    points, most = (sum(one[name] for one in shown) for name in ("score", "max_score"))
    assert (
        0 < points < 15 and results["leaderboard"][0]["value"] == 0.75 * points
    )  # nothing tells what hidden checks gave
    assert "late" in results["output"] and results["output"].startswith(f"{points:g} of {most:g} points of the checks")
    assert not {"15", "20"} & set(re.findall(r"\d+", results["output"])), results["output"]
    pins = (root / "source" / "requirements.txt").read_text().split()
    assert f"torch=={torch.__version__.partition('+')[0]}" in pins and all("==" in pin for pin in pins)
    assert "-r /autograder/source/requirements.txt" in (root / "source" / "setup.sh").read_text()
