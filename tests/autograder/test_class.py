"""Nobody of a class is lost, swapped, or costs another anything."""

import csv
import io
import json
import os
import tarfile
import zipfile

import pytest
from click.testing import CliRunner

from autograder import grading, labs
from autograder.classroom import gradebook, records
from autograder.classroom.report import to_text
from autograder.engine import files
from autograder.grading import Report, Result
from labkit.run_folder import LabError
from labrun.cli.grading import grade as grade_command

SOURCE = "def class_counts(labels, num_classes):\n    return 0\n"


def entry(path, text=SOURCE):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def quick(monkeypatch):
    """Grade by counting the bytes that were read; what holds `explode` is more than the grader can take."""

    def grade(lab, handed_in, server, *, seed, stub):
        assert b"explode" not in b"".join(handed_in.contents.values())
        result = Result("test_a", "a", 20, 20.0 * bool(handed_in.contents), True, "passed", handed_in.problem)
        return Report(lab, handed_in.name, seed, [result], list(handed_in.left_out))

    monkeypatch.setattr(records, "grade", grade)


def table(folder, out):
    """Grade a class and return the gradebook's rows by student, and what was said."""
    paths = records.submissions(folder, [*gradebook.tables(out), gradebook.pages(out)])
    reports = records.grade_class("lab01", paths, gradebook.pages(out) / "records", seed=1, server=object())
    said = gradebook.write(out, paths, reports)
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert len(rows) == len(list(folder.iterdir())) == len(list(gradebook.pages(out).glob("*.html")))
    return {row["student"]: row for row in rows}, said


def test_names_are_whole(tmp_path, quick):
    for name in ("anna.meier", "anna.schulz", "bob.lee"):
        entry(tmp_path / "in" / name / "main.py")
    entry(tmp_path / "in" / "anna.lee.py")
    assert set(table(tmp_path / "in", tmp_path / "out.csv")[0]) == {"anna.meier", "anna.schulz", "bob.lee", "anna.lee"}


def test_a_folder_and_a_zip_of_one_name_are_two_rows_and_it_is_said(tmp_path, quick):
    entry(tmp_path / "in" / "ada" / "main.py")
    with zipfile.ZipFile(tmp_path / "in" / "ada.zip", "w") as archive:
        archive.writestr("main.py", SOURCE)
    rows, said = table(tmp_path / "in", tmp_path / "out.csv")
    assert set(rows) == {"ada", "ada.zip"} and "ada.zip shares its name with another entry" in said
    for name in ("eve.py", "eve.PY", "ada.zip.py"):
        entry(tmp_path / "in" / name)
    assert set(table(tmp_path / "in", tmp_path / "out.csv")[0]) == {"ada", "ada.zip", "eve.py", "eve.PY", "ada.zip.py"}


def test_every_entry_has_a_row_whatever_it_is(tmp_path, quick):
    folder = tmp_path / "in"
    for name in ("a.py", "d.ipynb.json", "e.PY", "f.IPYNB", "g.rar", "h.pdf", "__i__.py", "j"):
        entry(folder / name)
    with zipfile.ZipFile(folder / "b.ZIP", "w") as archive:
        archive.writestr("main.py", SOURCE)
    tarfile.open(folder / "c.tar.gz", "w:gz").close()
    os.symlink(folder / "a.py", folder / "link.py")
    os.mkfifo(folder / "pipe.py")
    (folder / "empty").mkdir()
    rows, said = table(folder, tmp_path / "out.csv")
    assert {name for name, row in rows.items() if row["score"] == "20"} == set("abcdef") | {"__i__"}
    for name in ("g.rar", "h.pdf", "j"):
        assert "cannot be read" in rows[name]["first remark"] or rows[name]["score"] == "0"
    assert "13 entries, 13 rows" in said


def test_a_name_that_is_not_utf8_and_one_of_248_letters_have_their_rows(tmp_path, quick):
    folder = tmp_path / "in"
    entry(folder / "a.py")
    entry(folder / "m\udcfcller.py")
    entry(folder / ("x" * 245 + ".py"))
    entry(folder / ("ü" * 124) / "main.py")
    entry(folder / "bell\a\x1b[31m.py")
    rows, _ = table(folder, tmp_path / "out.csv")
    assert set(rows) == {"a", "m\\xfcller", "x" * 245, "ü" * 124, "bell\\x07\\x1b[31m"}
    assert "not plain text in UTF-8" in rows["m\\xfcller"]["notes"]


def test_one_entry_on_which_the_grader_fails_costs_no_other_anything(tmp_path, quick, capsys):
    entry(tmp_path / "in" / "a.py")
    entry(tmp_path / "in" / "b.py", "explode")
    rows, said = table(tmp_path / "in", tmp_path / "out.csv")
    assert (rows["a"]["score"], rows["b"]["score"]) == ("20", "0") and "itself failed on b" in said
    assert not list(gradebook.pages(tmp_path / "out.csv").glob("records/b*")), "it is graded again next time"


def test_tables_in_the_class_folder_are_no_students(tmp_path, quick):
    entry(tmp_path / "a.py")
    out = tmp_path / "book.csv"
    for _ in range(2):
        paths = records.submissions(tmp_path, [*gradebook.tables(out), gradebook.pages(out)])
        assert [path.name for path in paths] == ["a.py"]
        gradebook.write(out, paths, records.grade_class("lab01", paths, gradebook.pages(out) / "r", seed=1, server=1))


@pytest.mark.parametrize("kind", ["files", "folders", "zips"])
def test_a_class_without_out_is_called_a_class(tmp_path, kind):
    for name in ("ada", "bob"):
        if kind == "zips":
            zipfile.ZipFile(tmp_path / f"{name}.zip", "w").close()
        else:
            entry(tmp_path / f"{name}.py" if kind == "files" else tmp_path / name / "data.py")
    answer = CliRunner().invoke(grade_command, ["lab01", str(tmp_path)])
    assert isinstance(answer.exception, LabError) and "--out gradebook.csv" in str(answer.exception)


def test_one_submission_of_several_files_is_no_class(tmp_path):
    entry(tmp_path / "part1" / "solution.py")
    entry(tmp_path / "part2" / "solution.py", "def image_grid():\n    pass\n")
    assert not records.is_class("lab01", tmp_path)
    entry(tmp_path / "data.py")
    entry(tmp_path / "data (1).py")
    assert not records.is_class("lab01", tmp_path)


def test_text_of_a_submission_is_printable_where_it_arrives(tmp_path, server):
    odd = "\\ud800 \\x1b]0;owned\\x07\\x1b[2J \\u202egnp"
    text = f"def class_counts(labels, num_classes):\n    raise ValueError('{odd}\\nlab01: 20 of 20')\n"
    entry(tmp_path / "data.py", f"print('{odd[7:]}')\n{text}")
    report = grading.grade("lab01", tmp_path, server, seed=1, visible_only=True)
    remark = next(one.feedback for one in report.results if "ValueError" in one.feedback)
    assert "\\ud800 \\x1b]0;owned\\x07" in remark
    told = to_text(report) + report.printed + json.dumps(gradebook.gradebook([report]), ensure_ascii=False)
    assert told.encode() and not set(told) & set("\x1b\x07\u202e") and "\nlab01: 20 of 20" not in told


def test_a_record_and_a_page_can_be_named_after_any_entry(tmp_path):
    names = ["a.py", "x" * 250, "m\udcfcller.py", "m\\xfcller.py", "\x1b.py"]
    made = [records.file_name(tmp_path / name) for name in names]
    assert made[0] == "a.py" and len(set(made)) == 5
    assert all(len(os.fsencode(one)) <= 200 and files.printable(one) == one for one in made)


def test_check_files_are_imported_from_many_threads_at_once():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(labs.module, ["lab01", "lab02", "lab03"] * 40))) == 3
