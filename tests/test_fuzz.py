"""Odd names, bytes, types and sizes at the public entry points: a result or one sentence, never another exception.

`LABKIT_FUZZ=N` tries N random inputs at each of them; otherwise the same few are tried each time.
"""

import json
import math
import os
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.classroom import gradebook, records
from autograder.engine import files
from autograder.grading import Report
from labkit import data, models
from labkit.data.batches import Batches
from labkit.data.decode import read_image
from labkit.losses import NTXentLoss, SupervisedLoss, nt_xent
from labkit.run_folder import LabError, RunFolder
from labkit.train import TrainConfig
from labrun import cli, spec, state

MANY = int(os.environ.get("LABKIT_FUZZ", 0))
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
fuzz = settings(
    max_examples=MANY or 40, derandomize=not MANY, deadline=None, database=None, suppress_health_check=CHECKS
)

NAMES = st.text(max_size=12) | st.sampled_from(
    ["..", "/", "a/b", "-p", "--help", "ä\u0301", "\ud800", "x" * 300, "\x1b[2J"]
)
ODD = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | NAMES
    | st.lists(st.integers(), max_size=3)
    | st.binary(max_size=4)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
DTYPES = st.sampled_from(
    [torch.float32, torch.float16, torch.float64, torch.bfloat16, torch.uint8, torch.int64, torch.bool]
)
SHAPES = st.lists(st.integers(0, 5), max_size=5)


def tensor(shape, kind):
    return (torch.rand(shape) * 3).to(kind)


def one_sentence(error):
    text = str(error)
    assert text.strip() and "\n" not in text.strip() and "Traceback" not in text, text
    text.encode()


def sensible(function, *arguments, **named):
    """Call; return what comes back, or None where one sentence came instead."""
    try:
        return function(*arguments, **named)
    except LabError as error:
        one_sentence(error)


@fuzz
@given(SHAPES, SHAPES, DTYPES, DTYPES, ODD, ODD)
def test_nt_xent(a, b, kind, other, temperature, chunk_size):
    z1, z2 = tensor(a, kind), tensor(b, other)
    for value in (
        sensible(nt_xent, z1, z2, temperature),
        sensible(lambda: NTXentLoss(temperature, chunk_size=chunk_size)(z1, z2)),
    ):
        assert value is None or (value.ndim == 0 and not math.isnan(float(value)))


@fuzz
@given(SHAPES, DTYPES, st.integers(0, 6), ODD, ODD)
def test_batches(shape, kind, count, size, views):
    images, labels = tensor(shape, kind), torch.zeros(count, dtype=torch.long)
    batches = sensible(Batches, (images, labels), size, views=views, device="cpu")
    if batches is not None:
        assert all(torch.isfinite(torch.stack([*batch.images])).all() for batch in batches)
    for odd in (images, size, [size], (images,), (images, size), None, {"images": 1}):
        sensible(Batches, odd, 2, device="cpu")


@fuzz
@given(st.dictionaries(st.sampled_from(sorted(TrainConfig.model_fields)) | st.text(max_size=6), ODD, max_size=4))
def test_train_config(values):
    config = sensible(TrainConfig, **({"epochs": 1} | values))
    if config is not None:
        sensible(SupervisedLoss, label_smoothing=config.label_smoothing, focal_gamma=config.focal_gamma)


@fuzz
@given(
    st.sampled_from(sorted(models.MODELS)) | NAMES,
    ODD | st.integers(1, 20),
    ODD | st.integers(1, 64),
    st.integers(0, 4),
)
def test_models(name, num_classes, image_size, channels):
    if (isinstance(image_size, int) and image_size > 256) or (isinstance(num_classes, int) and num_classes > 1000):
        return  # right, and large
    model = sensible(models.build, name, num_classes=num_classes, image_size=image_size, channels=channels)
    assert model is None or isinstance(model, torch.nn.Module)


@fuzz
@given(st.sampled_from(["shapes", "digits", "folder", "cifar10", "medium_imagenet"]) | NAMES, ODD, ODD, ODD, NAMES)
def test_data(name, size, limit, fraction, root):
    small = {"n_train": 30, "n_test": 10} if name == "shapes" else {}
    if isinstance(size, int) and size > 64:
        return
    found = sensible(data.load, name, root=root, image_size=size, limit=limit, val_fraction=fraction, **small)
    assert found is None or len(found.train)


@fuzz
@given(st.lists(NAMES | st.text(max_size=5).map(lambda t: f"lr={t}"), max_size=3), JSON)
def test_typed_parameters(texts, value):
    parameters = {
        "lr": spec.Parameter(0.1, (float,)),
        "seed": spec.Parameter(0, ()),
        "name": spec.Parameter("", (str,)),
    }
    for read in (spec.assignments, spec.grid_of):
        sensible(read, texts)
    found = sensible(spec.check, sensible(spec.assignments, texts) or {}, parameters)
    assert found is None or set(found) <= set(parameters)
    sensible(spec.check, {"lr": value, "name": value}, parameters)
    sensible(
        spec.check_meaning, {"model": value, "dataset": value, "batch_size": value, "data_dir": value}, {"model": ""}
    )


@fuzz
@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()), JSON, JSON, JSON)
def test_notebooks(raw, cell, source, metadata):
    cells = [cell, {"cell_type": "code", "source": source, "metadata": {"tags": ["parameters"]}}, {"cell_type": cell}]
    nearly = {"cells": cells[: 1 + len(str(cell)) % 3], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.ipynb"
        for content in (raw, json.dumps(nearly).encode(), json.dumps({"cells": [cell]}).encode("utf-16")):
            path.write_bytes(content)
            sensible(spec.make_spec, path)
            spec.first_heading(path)


@fuzz
@given(
    st.binary(max_size=80),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"P6\n2 2\n255\n", b"II*\0"]),
)
def test_images(tmp_path, content, magic):
    for ending in ("png", "jpg", "tif"):
        path = tmp_path / f"one.{ending}"
        path.write_bytes(magic + content)
        image = sensible(read_image, path)
        assert image is None or (image.dtype == torch.uint8 and image.shape[0] == 3)


@fuzz
@given(st.binary(max_size=40) | JSON.map(lambda v: json.dumps(v).encode()), JSON)
def test_records_of_a_run(tmp_path, own_runs, raw, value):
    run = RunFolder(tmp_path / "runs" / "one")
    run.path.mkdir(parents=True, exist_ok=True)
    for file in (run.status_file, run.spec_file, run.metrics_file, run.metrics_log, run.path / "job.json"):
        file.write_bytes(raw)
    run.status_file.write_text(json.dumps({"state": value, "updated": value, "pid": value, "host": value}))
    typed(["status"])
    typed(["status", "one"])
    typed(["logs", "one"])
    typed(["collect"])
    sensible(state.observe, run)


@pytest.fixture
def own_runs(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_RUNS", str(tmp_path / "runs"))
        yield patch


SAFE = ["run", "sweep", "status", "logs", "cancel", "resume", "collect", "models", "modes", "check", "sync"]
WORDS = st.sampled_from(
    ["--dry-run", "-p", "-g", "lr=1", "seed=0", "01", "train", "--jobs", "--name", "--site", "laptop", "-n", "0"]
)


@fuzz
@given(st.sampled_from(SAFE), st.lists(WORDS | NAMES, max_size=5))
def test_commands(tmp_path, own_runs, name, words):
    if "\0" not in "".join(words):
        typed([name, *words, *(["--dry-run"] if name in ("run", "sweep", "resume") else [])])


def typed(words):
    """Run a command line in this process; a mistake is one sentence and a code of 1 or 2."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["labkit", *words])
        with suppress(SystemExit):
            cli.main()


@fuzz
@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=4, unique=True), st.binary(max_size=40))
def test_class_folders(tmp_path_factory, names, content):
    folder = tmp_path_factory.mktemp("class")
    for number, name in enumerate(names):
        name = name.replace(b"/", b"_").replace(b"\0", b"_") + [b".py", b".ipynb", b".zip", b"", b".rar"][number % 5]
        with suppress(OSError):
            path = os.path.join(os.fsencode(folder), name)
            with open(path, "wb") as file:
                file.write(content)
    found = sensible(records.submissions, folder)
    if found is not None:
        assert len(found) == len([name for name in os.listdir(folder) if not records.COMPANION.match(name)])
        names = records.students(found)
        assert len(set(names.values())) == len(found)
        reports = [Report("lab01_data", files.read(path).name, 0, [], student=names[path]) for path in found]
        assert len(gradebook.gradebook(reports)) == len(found)
        gradebook.to_csv(gradebook.gradebook(reports)).encode()
