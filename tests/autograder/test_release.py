"""The student copy: what is gone, what raises, what still works, and that no answer slips through."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import labs
from autograder.release import cut as cutting
from autograder.release import leaks, notebooks, public_checks, withheld
from autograder.release.cut import cut
from labkit.run_folder import LabError

ROOT = labs.CHECKS.parents[1]
LEAKED = '''
# one page of somebody's notes
import torch.nn.functional as FF
if True:
    def whatever(first, second, tau: float):
        """Another docstring."""
        # another comment
        rows = FF.normalize(torch.cat([first, second]).double(), dim=1)
        s = (rows @ rows.T / tau).fill_diagonal_(float("-inf"))

        return FF.cross_entropy(s, torch.arange(len(rows)).roll(len(first)))
'''
LOOK = '''
import importlib, importlib.util, inspect, json, pathlib, pkgutil, sys
import labkit

def raised(thing):
    """Call with None for everything; return what is raised."""
    needed = [p for p in inspect.signature(thing).parameters.values() if p.default is p.empty]
    plain = [None for p in needed if p.kind is p.POSITIONAL_OR_KEYWORD]
    try:
        thing(*plain, **{p.name: None for p in needed if p.kind is p.KEYWORD_ONLY})
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"

modules = [m.name for m in pkgutil.walk_packages(labkit.__path__, "labkit.") if "__main__" not in m.name]
for module in modules:
    importlib.import_module(module)
withheld = {}
for name in sys.argv[1:]:
    module, _, piece = name.rpartition(".")
    withheld[name] = raised(getattr(importlib.import_module(module), piece))
stubs = {}
for path in pathlib.Path("assignments").rglob("*.py"):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, thing in vars(module).items():
        if inspect.isroutine(thing) or inspect.isclass(thing):
            if thing.__module__ == path.stem:
                stubs[f"{path.stem}.{name}"] = raised(thing)
print(json.dumps({"where": labkit.__file__, "modules": len(modules), "withheld": withheld, "stubs": stubs}))
'''


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release") / "students"
    return cut(folder)


def in_copy(course, *arguments: str) -> subprocess.CompletedProcess:
    """Run Python in the student copy, which alone is on the path."""
    environment = os.environ | {"PYTHONPATH": str(course.dest)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=course.dest, env=environment, capture_output=True, text=True
    )


def code_of(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


# What is in it


def test_the_teachers_files_are_gone(course):
    there = {str(path.relative_to(course.dest)) for path in course.dest.rglob("*")}
    for gone in ("reference", "mutants", "gradescope", "release", "audit.py", "__main__.py"):
        assert f"autograder/{gone}" not in there
    assert not there & {"tests", "benchmarks", "docs/autograder_audit.md", ".git", "runs"}
    assert there >= {"notebooks/03_simclr.ipynb", "requirements.txt", "labkit/models/weights"}
    before, after = ((root / "scripts/run_lab.sh").stat().st_mode for root in (ROOT, course.dest))
    assert before == after


def test_hidden_checks_are_gone_and_visible_ones_stay(course):
    texts = "\n".join(path.read_text() for path in (course.dest / "autograder").rglob("*.py"))
    for lab in labs.names():
        released = (course.dest / "autograder" / "checks" / f"{labs.stem(lab)}.py").read_text()
        functions = {node.name for node in ast.parse(released).body if isinstance(node, ast.FunctionDef)}
        for one in labs.checks(labs.module(lab)):
            assert (one.__name__ in functions) == one.check.visible
            assert one.check.visible or (f"def {one.__name__}(" not in texts and one.check.title not in texts)
        assert "autograder.reference" not in released


def test_links_of_the_copys_pages_lead_somewhere(course):
    for page in course.dest.rglob("*.md"):
        for target in re.findall(r"\]\(([^)\s#:]+)(?=[)#])", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
    commands = re.findall("```.*?```", (course.dest / "README.md").read_text(), re.DOTALL)
    assert "run_lab.sh" in "".join(commands) and "run_tests.sh" not in "".join(commands)


def test_a_withheld_name_is_told_in_the_copy(course):
    assert "labkit.losses.nt_xent" in course.withheld
    page = (course.dest / "autograder" / "README.md").read_text()
    assert "`labkit.losses.nt_xent`" in page and "once your teacher's next copy reveals that lab" in page


# What still works


def test_labkit_imports_withheld_pieces_raise_a_sentence_and_stubs_are_unwritten(course):
    done = in_copy(course, "-c", LOOK, *course.withheld)
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["where"].startswith(str(course.dest)) and seen["modules"] > 60
    assert len(seen["withheld"]) >= 8 and len(seen["stubs"]) >= 14
    for name, told in seen["withheld"].items():
        lab = re.match(rf"LabError: {re.escape(name)} answers (lab\d+) and is withheld", told)[1]
        assert f"solve {lab} in assignments/ (labkit check {lab})" in told
        assert told.endswith("runs whole once your teacher's next copy reveals it.")
    for name, told in seen["stubs"].items():
        assert told.startswith("NotImplementedError: lab0"), f"{name} raises {told}"


@pytest.mark.integration
def test_the_command_says_not_implemented(course):
    """All labs: see test_release_installed."""
    lab = "lab03"
    done = in_copy(course, "-m", "labrun.cli", "check", lab)
    visible = labs.checks(labs.module(lab), visible_only=True)
    assert done.returncode == 1, done.stderr[-2000:]
    assert f"{lab}_" in done.stdout and ": 0 of " in done.stdout
    assert done.stdout.count("--  ") == len(visible)
    assert done.stdout.count("Not implemented yet") == len(visible)


def test_a_model_that_answers_no_lab_is_built_and_the_answer_is_not(course):
    code = "from labkit import models; models.build('resnet_tiny'); models.build('lenet'); print('built')"
    assert in_copy(course, "-c", code).stdout == "built\n"
    done = in_copy(course, "-c", "from labkit.losses import NTXentLoss; NTXentLoss(temperature=0.2)")
    assert done.stderr.splitlines()[-1].startswith(
        "labkit.run_folder.errors.LabError: labkit.losses.NTXentLoss answers"
    )


# The wishes: labs, reveal, DEST


def test_chosen_labs_alone_and_a_revealed_lab_with_its_answers(tmp_path):
    tmp_path.joinpath("s").mkdir()  # an empty folder is as good as none
    made = cut(tmp_path / "s", names=["lab03"], reveal=["lab03_simclr"])
    assert [path.name for path in (made.dest / "assignments").iterdir()] == ["lab03_simclr"]
    assert [path.name for path in (made.dest / "autograder/checks").glob("lab*")] == ["lab03_simclr.py"]
    for same in ("labkit/losses.py", "notebooks/03_simclr.ipynb"):
        assert (made.dest / same).read_text() == (ROOT / same).read_text()
    assert "labkit.scaling.tables.scaling_table" in made.withheld  # lab04 may still be to come


def test_a_full_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(LabError, match="is not empty"):
        cut(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unknown_lab_is_refused(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "autograder", "release", str(tmp_path / "s"), "--reveal", "lab77"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stderr.startswith("Error: Unknown lab")
    assert not list(tmp_path.iterdir())


# Leaks


@pytest.mark.parametrize("name", ["labkit/notes.py", "notebooks/more.ipynb", "docs/page.md", "notes.txt"])
def test_a_planted_answer_is_found_whatever_it_is_called(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    text = LEAKED
    if name.endswith(".ipynb"):
        text = json.dumps({"cells": [{"cell_type": "code", "source": LEAKED.splitlines(keepends=True)}]})
    path.write_text(f"# Page\n\n```python\n{LEAKED}```\n" if name.endswith(".md") else text)
    found = leaks.leaks(tmp_path, leaks.secrets([]))
    assert found == [f"{name} holds nt_xent of autograder/reference/lab03_simclr.py"]
    assert leaks.leaks(tmp_path, leaks.secrets(["lab03"])) == []


@pytest.mark.parametrize("known", ["lab02/correct", "lab03/correct"])
def test_every_known_right_solution_is_an_answer(tmp_path, known):
    solutions = [path for path in sorted((labs.MUTANTS / known).glob("*.py")) if "def forward" in path.read_text()]
    for number, path in enumerate(solutions):
        (tmp_path / f"cell{number}.py").write_text(path.read_text())
    told = leaks.leaks(tmp_path, leaks.secrets([]))
    assert len(told) >= 0.75 * len(solutions) > 0  # the others have functions of a line or two, written so by many
    assert leaks.leaks(tmp_path, leaks.secrets([known[:5]])) == []


def test_what_differs_from_the_commit_does_not_go_out(tmp_path):
    copy = tmp_path / "course"
    subprocess.run(["git", "clone", "--quiet", "--local", labs.CHECKS.parents[1], copy], check=True)
    stub = copy / "assignments" / "lab03_simclr" / "simclr.py"
    stub.write_text(stub.read_text() + "solved = True\n")
    told = subprocess.run(
        [sys.executable, "-m", "autograder", "release", str(tmp_path / "s")],
        capture_output=True,
        text=True,
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
    )
    assert told.returncode == 1 and not (tmp_path / "s").exists()
    assert told.stderr.startswith("Error: assignments/lab03_simclr/simclr.py differ from the last commit; commit")


def test_a_hidden_check_is_found_and_so_is_an_import_of_the_references(tmp_path):
    source = (labs.CHECKS / "lab03_simclr.py").read_text()
    (tmp_path / "checks.py").write_text(source)
    (tmp_path / "sly.py").write_text("def f():\n    from autograder import reference\n")
    (tmp_path / "public.py").write_text(public_checks.public(source))
    assert [one.split()[0] for one in leaks.leaks(tmp_path, leaks.secrets([]))] == ["checks.py", "sly.py"]


def test_a_release_with_a_leak_names_the_file_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(cutting, "TEACHERS", tuple(set(cutting.TEACHERS) - {"autograder/reference/"}))
    with pytest.raises(LabError, match=r"autograder/reference/lab03_simclr\.py holds") as told:
        cut(tmp_path / "students")
    assert "\n" not in str(told.value) and not list(tmp_path.iterdir())


# The parts


@pytest.mark.parametrize("lab", withheld.TABLE)
def test_the_table_names_what_labkit_has(lab):
    for path, names in withheld.withheld([lab]).items():
        source = (ROOT / path).read_text()
        text = withheld.without(source, path, names)
        defined = {getattr(node, "name", "") for node in ast.parse(text).body}
        assert defined >= {name for name in names if name[0] != "_"}
        assert not defined & {name for name in names if name[0] == "_"}
        assert text.count(f"answers {lab} and is withheld") >= len([name for name in names if name[0] != "_"])
        with pytest.raises(LabError, match="has no gone"):
            withheld.without(source, path, {"gone": lab})


def test_notebook_solutions_become_exercises(course):
    before, after = (code_of(root / "notebooks/03_simclr.ipynb") for root in (ROOT, course.dest))
    changed = [b for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) == 2
    assert "raise NotImplementedError('lab03: write nt_xent_loops yourself')" in changed[0]
    assert "denominator" not in changed[0] and "print(" in changed[0]  # the cell runs into the exercise
    with pytest.raises(NotImplementedError, match="lab03: write nt_xent_matrix"):
        exec(changed[1].split("\n\n\n")[0] + "\nnt_xent_matrix(1, 2, 3)", {})


@pytest.mark.parametrize("cell", ["x = 3\nprint(x)", "%time x = 3"])
def test_a_solution_without_definitions_is_replaced_as_a_whole(cell):
    assert notebooks.stubbed(cell, "lab01") == 'raise NotImplementedError("lab01: write this cell yourself")'


def test_a_solution_belongs_to_the_lab_it_is_tagged_with():
    cell = {"cell_type": "code", "source": ["x = 3"], "metadata": {"tags": ["solution", "lab05"]}}
    text = json.dumps({"cells": [cell]})
    assert notebooks.for_students(text, "notebooks/03_simclr.ipynb", ["lab05"]) == text
    made = json.loads(notebooks.for_students(text, "notebooks/03_simclr.ipynb", ["lab03"]))
    assert made["cells"][0]["source"] == ['raise NotImplementedError("lab05: write this cell yourself")']
