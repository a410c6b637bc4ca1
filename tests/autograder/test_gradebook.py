"""A class: one record each, a table that no spreadsheet executes, the same again when graded again."""

import csv
import io
import json

import pytest

from autograder import labs
from autograder.classroom import gradebook, records
from autograder.classroom.feedback import to_html
from autograder.grading import Report, Result
from labkit.run_folder import LabError


def report(name, *scores, feedback=""):
    results = [
        Result(f"test_{i}", f"check {i}", 2.0, s, True, "passed" if s == 2 else "failed", "" if s == 2 else feedback)
        for i, s in enumerate(scores)
    ]
    return Report("lab03_simclr", name, 1, results)


def test_a_report_names_the_known_mistake_it_resembles(tmp_path, monkeypatch):
    from autograder.classroom import diagnosis

    one, other = report("a", 2, 0, feedback="yours is 3.14"), report("b", 0, 0, feedback="yours is 2.71")
    case = type("Case", (), {"name": "m", "kind": "wrong", "says": "Sign.", "report": one})
    monkeypatch.setattr(labs, "MUTANTS", tmp_path)
    (tmp_path / "lab03").mkdir()
    diagnosis.write("lab03_simclr", [case])
    assert diagnosis.closest(report("x", 2, 0, feedback="yours is 9")) == "m: Sign."
    assert diagnosis.closest(report("x", 2, 2)) == "" and diagnosis.closest(other) == "m: Sign."


@pytest.mark.parametrize("text", ["=1+1", "+a", "-a", "@x", "\tx", " =cmd|' /C calc'!A0", "\r=1"])
def test_no_cell_is_a_formula(text):
    row = next(csv.reader(io.StringIO(gradebook.to_csv([{"a": text}]).split("\n", 1)[1])))
    assert row[0].startswith("'")


def test_numbers_stay_numbers_and_names_with_commas_stay_one_cell():
    text = gradebook.to_csv([{"name": 'Ada, "the" first', "score": -1.5}])
    assert list(csv.reader(io.StringIO(text))) == [["name", "score"], ['Ada, "the" first', "-1.5"]]


def test_items_tell_hard_checks_and_those_that_separate():
    rows = gradebook.items(
        [report("a", 2, 2, 2), report("b", 2, 2, 0, feedback="x"), report("c", 2, 0, 0, feedback="x")]
    )
    assert [row["difficulty"] for row in rows] == [1.0, 0.667, 0.333]
    assert rows[0]["discrimination"] == "" and rows[1]["discrimination"] > 0.4
    assert (rows[2]["remark"], rows[2]["times"]) == ("x", 2)


def test_a_page_escapes_whatever_a_submission_says():
    page = to_html(report("<script>a</script>", 0, feedback="<img onerror=x>"))
    assert "<script>a" not in page and "<img" not in page


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(LabError, match="no submission"):
        records.submissions(tmp_path)


def test_grading_twice_and_resuming_give_the_same_table(tmp_path, server):
    source = (labs.MUTANTS / "lab03" / "correct" / "big_main" / "main.py").read_text()
    folder = tmp_path / "in"
    (folder / "grace").mkdir(parents=True)
    (folder / "ada.py").write_text(source)
    (folder / "grace" / "main.py").write_text(source.replace("/ self.temperature", ""))
    renamed = source.replace("backbone", "net").replace("z_i", "first").replace("jitter", "shades")
    (folder / "copied.py").write_text("# my own work\n" + renamed)
    (folder / "empty.py").write_text("")
    paths = records.submissions(folder)
    tables, seen = [], []
    for kept in ("one", "two", "one"):
        seen.append([])
        follow = lambda one: seen[-1].append(one.seconds)  # noqa: E731
        reports = records.grade_class("lab03", paths, tmp_path / kept, seed=11, jobs=2, follow=follow, server=server)
        tables.append(gradebook.to_csv(gradebook.gradebook(reports)))
    assert tables[0] == tables[1] == tables[2]
    assert seen[2] and sorted(seen[2]) == sorted(seen[0])  # read from the records, not run again
    alike = gradebook.similar(reports)
    assert (alike[0]["one"], alike[0]["other"], alike[0]["alike"]) == ("ada", "copied", 1.0)
    scores = {row["student"]: float(row["score"]) for row in csv.DictReader(io.StringIO(tables[0]))}
    assert scores["ada"] == 20 and 0 < scores["grace"] < 20 and scores["empty"] == 0
    assert json.loads((tmp_path / "one" / "_seed.json").read_text()) == {"seed": 11}
