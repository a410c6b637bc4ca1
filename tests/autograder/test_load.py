"""Submissions in every form they come in, good and bad."""

import json
import re
import zipfile

import pytest

from autograder import grading, labs
from autograder.engine.files import read

GOOD = labs.MUTANTS / "lab03" / "correct" / "big_main" / "main.py"


def score(server, path, seed=7):
    return grading.grade("lab03", path, server, seed=seed)


@pytest.fixture(scope="module")
def source():
    return GOOD.read_text()


def notebook(path, *sources):
    cells = [{"cell_type": "code", "source": s, "metadata": {}, "outputs": []} for s in sources]
    path.write_text(json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}))
    return path


def test_a_file_a_folder_a_zip_and_a_notebook_earn_the_same(server, tmp_path, source):
    (tmp_path / "ada.py").write_text(source)
    folder = tmp_path / "folder" / "simclr" / "src"
    folder.mkdir(parents=True)
    (folder / "main.py").write_text(source)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("ada_lovelace/src/main.py", source)
        archive.writestr("__MACOSX/src/._main.py", b"\0\0")
    notebook(tmp_path / "n.ipynb", "# %% title\n%matplotlib inline\n!pip list", source, "assert False")
    for name in ("ada.py", "folder", "a.zip", "n.ipynb"):
        report = score(server, tmp_path / name)
        assert report.score == report.points == 20, (name, [r.feedback for r in report.results])


def test_the_stub_earns_nothing_and_is_called_not_implemented(server):
    report = score(server, labs.CHECKS.parents[1] / "assignments" / "lab03_simclr")
    assert report.score == 0
    assert {result.kind for result in report.results} == {"not implemented"}
    assert all("Not implemented yet" in result.feedback for result in report.results)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("simclr.py", b"", "empty"),
        ("simclr.py", b"class :", "line 1"),
        ("simclr.py", b"x = '\xff'", "not Python"),
        ("simclr.py", b"x = 1", "There is no `"),
        ("a.zip", b"PK nonsense", "cannot be unpacked"),
        ("a.ipynb", b"nonsense", "cannot be read"),
        ("notes.txt", b"hello", "no Python file|Nothing was handed in"),
    ],
)
def test_what_cannot_be_read_gets_a_whole_report_with_the_reason(server, tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    report = score(server, tmp_path)
    assert report.score == 0 and report.points == 20

    assert all(re.search(sentence, result.feedback) for result in report.results), report.results[0].feedback


def test_a_missing_submission_gets_a_report_as_well(server, tmp_path):
    report = score(server, tmp_path / "nobody.py")
    assert report.points == 20 and "There is no file" in report.results[0].feedback


def test_links_pipes_and_large_files_are_never_read(tmp_path):
    import os

    (tmp_path / "secret.py").write_text("x = 1")
    folder = tmp_path / "sub"
    folder.mkdir()
    os.symlink(tmp_path / "secret.py", folder / "simclr.py")
    os.symlink(tmp_path, folder / "loop")
    os.mkfifo(folder / "pipe.py")
    (folder / "large.py").write_bytes(b"#" * (21 << 20))
    found = read(folder)
    assert not found.contents and found.problem


def test_a_regrade_with_the_same_seed_is_identical_and_another_seed_asks_other_questions(server):
    wrong = labs.MUTANTS / "lab03" / "attacks" / "remembers_the_questions.py"
    from autograder.audit import Case, handed_in

    case = Case("lab03", "attacks", wrong)
    first, again, other = (grading.grade("lab03", handed_in(case), server, seed=s) for s in (5, 5, 6))
    feedback = [[r.feedback for r in one.results] for one in (first, again, other)]
    assert feedback[0] == feedback[1] != feedback[2]
