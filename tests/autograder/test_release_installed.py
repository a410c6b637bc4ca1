"""The student copy as a student has it: installed with pip, notebooks run to the first exercise, checked."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import labs
from autograder.release import leaks
from autograder.release.cut import cut

pytestmark = pytest.mark.integration
NOTEBOOKS = ["01_data_visualization", "02_alexnet_resnet", "03_simclr", "04_scaling"]
COLOR = re.compile(r"\x1b\[[0-9;]*m")
WRITTEN = re.compile(r"NotImplementedError: lab0\d: write \w+ yourself")
WITHHELD = re.compile(r"LabError: labkit\.\S+ answers lab0\d and is withheld while that lab is open: .*")


class Student:
    """The copy, and what pip made of it. Python runs with `-P`: it can find the installed labkit alone."""

    def __init__(self, folder: Path):
        self.course, self.site = cut(folder / "course").dest, folder / "site"
        source = shutil.copytree(self.course, folder / "source")  # pip leaves a build folder beside it
        pip = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
        done = self.start(*pip, "--target", str(self.site), str(source), cwd=folder)
        said = done.communicate(timeout=180)
        assert done.returncode == 0, said

    def start(self, *arguments: str, cwd: Path) -> subprocess.Popen:
        own = {"PYTHONPATH": str(self.site), "LABKIT_RUNS": str(self.site.parent / "runs")}
        return subprocess.Popen(
            [sys.executable, "-P", *arguments],
            cwd=cwd,
            env=os.environ | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="module")
def student(tmp_path_factory) -> Student:
    return Student(tmp_path_factory.mktemp("student"))


def test_notebooks_run_to_their_first_exercise_and_say_so_in_one_sentence(student, tmp_path):
    convert = ["-m", "nbconvert", "--to", "notebook", "--execute", "--output-dir", str(tmp_path)]
    where = student.course / "notebooks"
    running = [student.start(*convert, f"{name}.ipynb", cwd=where) for name in NOTEBOOKS]
    for name, one in zip(NOTEBOOKS, running, strict=True):
        told = COLOR.sub("", one.communicate(timeout=280)[1]).rstrip().splitlines()
        assert one.returncode == 1, f"{name} ran to its end"
        assert WRITTEN.fullmatch(told[-1]) or WITHHELD.fullmatch(told[-1]), (name, told[-30:])
        assert "import seed_everything" not in "".join(told), f"{name} stops at its imports"
        if name[:2] in ("01", "03"):
            assert told[-1].startswith(f"NotImplementedError: lab{name[:2]}"), (name, told[-1])


def test_installed_public_checks_say_not_implemented(student):
    look = "import json, sys, labkit, autograder\nfrom autograder import public\nreports = {}\n"
    look += "for lab in sys.argv[1:]:\n    report = public.report(lab)\n"
    look += "    reports[lab] = [report.score, [one.feedback for one in report.results]]\n"
    look += "print(json.dumps([labkit.__file__, autograder.__file__, reports]))"
    done = student.start("-c", look, *labs.names(), cwd=student.course)
    out, err = done.communicate(timeout=180)
    assert done.returncode == 0, err[-2000:]
    labkit_at, autograder_at, reports = json.loads(out.splitlines()[-1])
    assert labkit_at.startswith(str(student.site)) and autograder_at.startswith(str(student.site))
    for lab, (score, told) in reports.items():
        visible = labs.checks(labs.module(lab), visible_only=True)
        assert score == 0 and len(told) == len(visible)
        assert all(one.startswith("Not implemented yet") for one in told), (lab, told)


def test_what_is_installed_holds_no_answer_and_all_that_is_needed(student):
    assert leaks.leaks(student.site, leaks.secrets([])) == []
    there = {str(path.relative_to(student.site)) for path in student.site.rglob("*") if path.is_file()}
    gone = ("reference", "mutants", "release", "gradescope")
    assert not [path for path in there if path.startswith(tuple(f"autograder/{name}" for name in gone))]
    for folder in ("labkit", "autograder"):
        files = (student.course / folder).rglob("*")
        wanted = [path for path in files if path.suffix in (".py", ".html", ".safetensors")]
        assert wanted and there >= {str(path.relative_to(student.course)) for path in wanted}
