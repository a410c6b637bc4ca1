"""A wrong name or absent data is refused before a run exists, and says what to write instead."""

import json
import subprocess
import sys
from importlib import import_module

import pytest

from labkit.cluster import choices, spec
from labkit.errors import LabError
from labkit.paths import runs_dir


@pytest.mark.parametrize("kind, module, registry", choices.REGISTRIES.values())
def test_the_names_are_those_of_the_real_registry(kind, module, registry):
    assert list(choices.names(module, registry)) == list(getattr(import_module(module), registry))


@pytest.mark.parametrize("wish, told", [
    ({"dataset": "digit"}, "Unknown data set 'digit'. Did you mean digits"),
    ({"model": "resnet19"}, "Unknown model 'resnet19'. Did you mean resnet18"),
    ({"corpus": "shape"}, "Unknown data set 'shape'. Did you mean shapes"),
    ({"weights": "/no/such/model"}, "weights=/no/such/model does not exist"),
    ({"preset": "ful"}, "Unknown preset 'ful'. Did you mean full"),
    ({"dataset": "folder", "data_dir": "/no/such/place"}, "data_dir=/no/such/place does not exist"),
])
def test_what_does_not_exist_is_refused_and_no_run_is_made(wish, told, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_RUNS", str(tmp_path / "runs"))
    with pytest.raises(LabError) as error:
        spec.make_spec("mode", parameters=wish)
    assert told in str(error.value)
    assert not runs_dir().exists()


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
    code = ("import sys; from labkit.cluster import spec; "
            "spec.make_spec('train', parameters={'model': 'cnn'}); print('torch' in sys.modules)")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == "False", ran.stderr
