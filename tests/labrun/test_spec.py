"""A specification is checked before it costs anything, and frozen so that later edits change nothing."""

import hashlib
import json
import re

import pytest

from labkit.run_folder import LabError, repo_root
from labrun import spec
from labrun.spec import RunSpec


def test_freezing_copies_the_notebook_and_every_value(lab):
    path = lab.notebook("frozen", "print(1)")
    before = path.read_bytes()
    run = spec.freeze(spec.make_spec(path, parameters={"lr": 1}, seed=4))
    path.write_text(path.read_text().replace("print(1)", "print(2)"))
    assert run.source.read_bytes() == before
    frozen = spec.read_spec(run)
    assert frozen.parameters == {"lr": 1.0, "seed": 4}
    assert frozen.values == {"lr": 1.0, "width": None, "seed": 4}
    assert frozen.source_sha256 == hashlib.sha256(before).hexdigest()
    assert run.read_status()["state"] == "queued"


def test_ids_carry_notebook_and_time_and_are_never_taken_twice(lab):
    path = lab.notebook("often", "1")
    ids = {spec.freeze(spec.make_spec(path)).id for _ in range(5)}
    assert len(ids) == 5 and all(re.fullmatch(r"often-\d{8}-\d{6}-[0-9a-f]{4}", name) for name in ids)


def test_a_name_that_is_taken_is_refused_and_the_first_run_stays(lab):
    run = lab.freeze("taken", "1", seed=1)
    with pytest.raises(LabError, match="already"):
        lab.freeze("taken", "1", seed=2)
    assert spec.read_spec(run).seed == 1


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "", "two words"])
def test_a_name_that_is_no_folder_name_is_refused(lab, name):
    with pytest.raises(LabError, match="name"):
        spec.make_spec(lab.notebook("n", "1"), name=name)


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"timeout_s": -1}, "timeout_s"), ({"threads": 0}, "threads"), ({"treads": 2}, "Did you mean threads")],
)
def test_wrong_options_are_one_sentence(lab, fields, said):
    with pytest.raises(LabError, match=said):
        spec.make_spec(lab.notebook("n", "1"), **fields)


def test_the_seed_is_a_short_way_and_two_are_refused(lab):
    path = lab.notebook("seeded", "1")
    assert spec.make_spec(path, seed=3).values["seed"] == 3
    assert spec.make_spec(path, parameters={"seed": 5}).seed == 5
    with pytest.raises(LabError, match="seed is given twice"):
        spec.make_spec(path, seed=3, parameters={"seed": 5})
    with pytest.raises(LabError, match="seed"):
        spec.make_spec(lab.notebook("unseeded", "1", parameters="lr = 0.1"), seed=3)


def test_notebooks_are_found_by_number_and_name(lab, monkeypatch, tmp_path):
    (tmp_path / "notebooks").mkdir()
    for name in ("01_first", "02_second", "train"):
        lab.notebook(name, "1").rename(tmp_path / "notebooks" / f"{name}.ipynb")
    monkeypatch.setattr(spec, "repo_root", lambda: tmp_path)
    assert {spec.find_notebook(given).stem for given in ("02", "02_second", "notebooks/02_second.ipynb")} == {
        "02_second"
    }
    with pytest.raises(LabError, match="Did you mean train"):
        spec.find_notebook("notebooks/trian.ipynb")


def test_records_name_notebooks_as_one_types_them():
    notebooks = sorted((repo_root() / "notebooks").glob("*.ipynb"))
    for path in notebooks[:1]:
        assert spec.make_spec(path).notebook == f"notebooks/{path.name}"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"cells": 3}', "\x00"])
def test_what_is_no_notebook_is_refused(tmp_path, content):
    (tmp_path / "n.ipynb").write_text(content)
    with pytest.raises(LabError, match="no notebook"):
        spec.make_spec(tmp_path / "n.ipynb")


def test_a_specification_survives_its_file(lab):
    run = lab.freeze("round", "1", parameters={"width": 3}, timeout_s=5, threads=2)
    assert RunSpec(**json.loads(run.spec_file.read_text())) == spec.read_spec(run)
