"""A lab is found by its files alone, and its checks run as plain pytest as well."""

import shutil
import subprocess
import sys

import pytest

from autograder import audit, grading, labs, public
from autograder.checking import CheckFailed, check, expect
from autograder.classroom.report import to_gradescope, to_text
from autograder.draw import Draw
from autograder.student import StudentFault
from labkit.run_folder import LabError

NEW_CHECKS = '''"""Checks of lab96."""
from autograder.checking import Lab, check, expect
def twice(function, x):
    return function(function(x))
LAB = Lab(title="Doubling", files=["double.py"], names=["double"], helpers=[twice])
@check(2, "double", visible=True)
def test_double(student, draw):
    x = draw.normal(draw.integer(2, 5))
    expect((student.double(x) - 2 * x).abs().max() < 1e-6, "double(x) is x + x.")
@check(1, "twice")
def test_twice(student, draw):
    expect(student.helper.twice(student.double, 3.0) == 12.0, "double(double(3)) is 12.", keep=0.5)
'''


@pytest.fixture
def lab96():
    """A new lab: nothing but its own files is written."""
    made = [
        labs.CHECKS / "lab96_double.py",
        labs.MUTANTS / "lab96" / "wrong" / "triples.py",
        labs.MUTANTS / "lab96" / "correct" / "adds.py",
    ]
    texts = [
        NEW_CHECKS,
        '"""Triples."""\ndef double(x):\n    return 3 * x',
        '"""Adds."""\ndef double(x):\n    return x + x',
    ]
    try:
        for path, text in zip(made, texts, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        yield "lab96"
    finally:
        made[0].unlink()
        shutil.rmtree(labs.MUTANTS / "lab96")


def test_a_new_lab_needs_its_own_files_alone(server, lab96):
    assert lab96 in labs.names() and labs.stem(lab96) == "lab96_double"
    found = {case.name: case for case in audit.run(lab96, server, jobs=1)}
    assert found["adds"].report.score == 3 and found["triples"].report.score == 0.5
    assert all(case.as_it_should_be for case in found.values())


def test_the_recipe_of_the_readme_is_a_lab_that_passes_its_audit(server, monkeypatch):
    block = (labs.CHECKS.parent / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    right = "import torch\ndef softplus(x):\n    return torch.log1p(torch.exp(x))"
    known = {
        "wrong/relu.py": '"""ReLU."""\ndef softplus(x):\n    return x.clamp(min=0)',
        "wrong/rounds.py": f'"""Rounds."""\n{right}.mul(100).round() / 100',
        "correct/plain.py": f'"""As it is written."""\n{right}',
        "attacks/zeros.py": '"""Zeros."""\ndef softplus(x):\n    return x * 0',
    }
    files = {labs.CHECKS / "lab97_topic.py": block.replace("lab06", "lab97")}
    files[labs.CHECKS.parent / "reference" / "lab97_topic.py"] = f'"""Right."""\n{right}'
    files |= {labs.MUTANTS / "lab97" / name: text for name, text in known.items()}
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        found = {case.name: case for case in audit.run("lab97", server, jobs=1)}
        assert {name: case.report.score for name, case in found.items()} == {
            "relu": 0,
            "rounds": 1,
            "plain": 2,
            "zeros": 0,
        }
        assert all(case.as_it_should_be for case in found.values())
        monkeypatch.setattr(public, "start", lambda: server)
        with pytest.raises(LabError, match="lab97 has no public checks"):
            public.report("lab97", labs.MUTANTS / "lab97" / "correct" / "plain.py")
    finally:
        for path in list(files)[:2]:
            path.unlink(missing_ok=True)
        shutil.rmtree(labs.MUTANTS / "lab97", ignore_errors=True)


def test_an_unknown_lab_is_refused_with_the_names():
    with pytest.raises(LabError, match="lab03"):
        labs.stem("lab33")


class Quiet:
    def begin(self, seed, title):
        pass


def judged(body, keep=0.0):
    @check(4, "a check")
    def test_one(student, draw):
        body()

    return grading.judge(test_one, Quiet(), 1)


def fails(error):
    def body():
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "score", "status"),
    [
        (CheckFailed("no", keep=0.5), 2.0, "failed"),
        (CheckFailed("no", keep=5), 3.6, "failed"),
        (StudentFault("gone"), 0.0, "failed"),
        (pytest.skip.Exception("x"), 0.0, "error"),
        (ZeroDivisionError(), 0.0, "failed"),
        (OSError(), 0.0, "error"),
        (SystemExit(0), 0.0, "error"),
    ],
)
def test_whatever_a_check_raises_is_a_verdict(error, score, status, capsys):
    result = judged(fails(error))
    assert (result.score, result.status, result.points) == (score, status, 4.0)


def test_expect_never_lets_nan_through():
    with pytest.raises(CheckFailed):
        expect(float("nan") < 1, "nan")


def test_draws_repeat_for_a_seed_and_differ_between_checks():
    assert Draw(1, "a").integer(0, 10**9) == Draw(1, "a").integer(0, 10**9) != Draw(1, "b").integer(0, 10**9)


def test_a_report_has_gradescopes_fields_and_one_line_per_check(server):
    report = grading.grade("lab03", labs.MUTANTS / "lab03" / "correct" / "big_main", server, seed=1)
    made = to_gradescope(report)
    assert made["score"] == sum(t["score"] for t in made["tests"]) == 20
    assert {t["visibility"] for t in made["tests"]} == {"visible", "after_due_date"}
    assert to_text(report).startswith("lab03_simclr: 20 of 20 points")


@pytest.mark.integration
def test_a_check_file_runs_as_plain_pytest(tmp_path):
    course = labs.CHECKS.parents[1]
    right = audit.handed_in(next(one for one in audit.cases("lab01", ["correct"]) if one.name == "pure_python"))
    for name, raw in right.contents.items():
        (tmp_path / name).write_bytes(raw)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--grading-seed", "3"]
    command += [str(labs.CHECKS / "lab01_data.py"), "--submission"]
    running = [
        subprocess.Popen([*command, str(path)], stdout=subprocess.PIPE, text=True, cwd=course)
        for path in (tmp_path, course / "assignments" / "lab01_data")
    ]
    (good, _), (stub, _) = (one.communicate(timeout=200) for one in running)
    checks = len(labs.checks(labs.module("lab01")))
    assert running[0].returncode == 0 and f"{checks} passed" in good, good[-2000:]
    assert running[1].returncode == 1 and f"{checks} failed" in stub, stub[-2000:]
