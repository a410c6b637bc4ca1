"""A wrong name or absent data is refused before a run exists, and says what to write instead."""

import json
import subprocess
import sys

import pytest

from labkit.run_folder import LabError, runs_dir
from labrun import spec


@pytest.mark.parametrize("place", [*dict(spec.REGISTRIES.values()).values(), "labkit.models:PRETRAINED"])
def test_each_registry_is_a_table_with_names(place):
    assert all(isinstance(name, str) for name in spec.registry(place)) and spec.registry(place)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"dataset": "digit"}, "Unknown data set 'digit'. Did you mean digits"),
        ({"model": "resnet19"}, "Unknown model 'resnet19'. Did you mean resnet18"),
        ({"pretrain_dataset": "shape"}, "Unknown data set 'shape'. Did you mean shapes"),
        ({"weights": "/no/such/model"}, "weights=/no/such/model does not exist"),
        ({"preset": "ful"}, "Unknown preset 'ful'. Did you mean full"),
        ({"dataset": "folder", "data_dir": "/no/such/place"}, "data_dir=/no/such/place does not exist"),
        ({"max_steps": -5}, "max_steps must be 1 or more, or 0 for the notebook's own value (got -5)."),
        ({"seed": -1}, "seed must be 0 or more (got -1)."),
        ({"preset": "full", "mode": "pretrained"}, "and resnet18 (preset=full) has none: choose preset=dinov3"),
        ({"model": "cnn", "mode": "simclr_pretrained"}, "and cnn (preset=tiny) has none"),
        ({"model": "dinov3_tiny", "mode": "pretrained"}, "needs weights=PATH"),
        ({"mode": "pretrained", "weights": "/"}, "the weights of resnet_tiny come with the lab: add"),
        ({"preset": "dinov3", "mode": "pretrained"}, "run `labkit fetch dinov3` (login node) first"),
    ],
)
def test_what_does_not_exist_is_refused_and_no_run_is_made(given, message, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path / "data"))
    with pytest.raises(LabError) as error:
        spec.make_spec("mode", parameters=given)
    assert message in str(error.value)
    assert not runs_dir().exists()


@pytest.mark.parametrize(
    "given", [{"epochs": -1}, {"batch_size": 0}, {"lr": 0.0}, {"lr": float("nan")}, {"lr": float("inf")}]
)
def test_a_number_out_of_range_is_refused(given):
    with pytest.raises(LabError, match=f"^{next(iter(given))} must be "):
        spec.make_spec("train", parameters=given)


def test_zero_is_fine_where_it_stands_for_the_notebooks_own_value():
    assert spec.make_spec("mode", parameters={"max_steps": 0}, seed=0).values["max_steps"] == 0
    assert spec.make_spec("04", parameters={"batch_size": 0}).values["batch_size"] == 0


@pytest.mark.parametrize(
    "given",
    [
        {"preset": "full", "mode": "scratch"},
        {"mode": "simclr_pretrained"},
        {"preset": "full", "mode": "pretrained", "model": "resnet_tiny"},
    ],
)
def test_modes_whose_weights_are_there_are_accepted(given):
    assert spec.make_spec("mode", parameters=given).values["mode"] == given["mode"]


def test_pretrained_weights_at_a_path_are_accepted(tmp_path):
    given = {"preset": "full", "mode": "pretrained", "model": "dinov3_vits16", "weights": str(tmp_path)}
    assert spec.make_spec("mode", parameters=given).values["weights"] == str(tmp_path)


def test_data_that_is_there_is_accepted(tmp_path):
    made = spec.make_spec("train", parameters={"dataset": "folder", "data_dir": str(tmp_path)})
    assert made.values["data_dir"] == str(tmp_path)
    assert spec.make_spec("04", parameters={"model": "cnn"}).values["model"] == "cnn"


def test_a_notebook_whose_model_means_something_else_is_left_alone(tmp_path):
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": 'model = "linear"'}
    path = tmp_path / "own.ipynb"
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    assert spec.make_spec(path, parameters={"model": "forest"}).values["model"] == "forest"


def test_checking_does_not_import_torch():
    code = (
        "import sys; from labrun import spec; "
        "spec.make_spec('train', parameters={'model': 'cnn'}); print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == "False", ran.stderr
