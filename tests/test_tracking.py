"""Sums equal direct means, mirrors hold what the run folder holds, and no mirror ever stops a training."""

import contextlib
import json
import math
import os
import struct
import subprocess
import sys
import time
import warnings

import pytest
import torch

from labkit.run_folder import RunFolder
from labkit.train.step import MetricAccumulator
from labkit.train.tracking import Progress, TensorBoard, Tracker


@pytest.fixture
def run(tmp_path, monkeypatch):
    for name in ("WANDB_MODE", "LABKIT_QUIET", "LABKIT_RUN_DIR"):
        monkeypatch.delenv(name, raising=False)
    return RunFolder(tmp_path / "run").create({})


def outcomes(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(1, 9, (count,), generator=generator).tolist()
    return [
        {"loss": torch.rand((), generator=generator), "correct": torch.tensor(size // 2), "count": size}
        for size in sizes
    ]


def test_means_weigh_every_image_alike():
    metrics, seen = MetricAccumulator(torch.device("cpu")), outcomes(7)
    for number, outcome in enumerate(seen):
        metrics.add(number, outcome)
    images = sum(o["count"] for o in seen)
    assert metrics.means("train_", epoch=True) == pytest.approx(
        {
            "train_loss": sum(o["loss"].item() * o["count"] for o in seen) / images,
            "train_accuracy": sum(o["count"] // 2 for o in seen) / images,
        }
    )


def test_recent_means_begin_anew_and_epoch_means_do_not():
    metrics, seen = MetricAccumulator(torch.device("cpu")), outcomes(6)
    parts = []
    for number, outcome in enumerate(seen):
        metrics.add(number, outcome)
        if number in (1, 5):
            parts.append(metrics.means()["loss"])
    weight = [sum(o["count"] for o in part) for part in (seen[:2], seen[2:])]
    whole = (parts[0] * weight[0] + parts[1] * weight[1]) / sum(weight)
    assert metrics.means(epoch=True)["loss"] == pytest.approx(whole)
    assert metrics.epoch == metrics.recent == {}


def test_when_the_device_is_read_does_not_change_a_bit():
    seen, results = outcomes(50), []
    for often in (1, 7, 50):
        metrics = MetricAccumulator(torch.device("cpu"))
        for number, outcome in enumerate(seen, start=1):
            metrics.add(number, outcome)
            if number % often == 0:
                metrics.flush()
        results.append(metrics.means(epoch=True))
    assert results[0] == results[1] == results[2]


def test_the_first_bad_step_is_named_however_late_it_is_read():
    metrics = MetricAccumulator(torch.device("cpu"))
    for number, loss in enumerate([1.0, 2.0, math.inf, math.nan, 1.0], start=1):
        metrics.add(number, {"loss": torch.tensor(loss), "correct": torch.tensor(0), "count": 1})
    assert metrics.first_bad_step() == 3


def rows(first, last, offset=0.0):
    place = {"fit": "net", "kind": "step", "epoch": 1}
    return [place | {"step": n, "loss": n + offset} for n in range(first, last)]


def write(run, some_rows, *, after=0, **mirrors):
    with Tracker(run, **mirrors).begin("net", after, {"lr": 0.1}) as tracker:
        for row in some_rows:
            tracker.log(row)


def test_tensorboard_reads_back_what_the_run_folder_holds(run, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.summary.writer import event_file_writer

    # Two files of one second end in .9 and .10, and TensorBoard reads them in the order of their names.
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(9))
    write(run, rows(1, 6))
    run.truncate_metrics("net", 3)  # an attempt ended at step 5, its checkpoint at 3
    write(run, rows(4, 8, offset=0.5), after=3)
    events = EventAccumulator(str(run.logs / "tensorboard" / "net")).Reload()
    points = [(point.step, point.value) for point in events.Scalars("step/loss")]
    assert points == [(row["step"], row["loss"]) for row in run.read_metrics()]
    assert points == [(1, 1), (2, 2), (3, 3), (4, 4.5), (5, 5.5), (6, 6.5), (7, 7.5)]


def wandb_history(folder):
    """Read a segment without W&B's help: a LevelDB log (7 bytes, then records of crc, length, type, data)."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, history = next(folder.glob("*.wandb")).read_bytes(), 7, []
    assert len(data) < 2**15  # one block: no record is split
    while place + 7 <= len(data):
        length, kind = struct.unpack_from("<HB", data, place + 4)
        record = Record.FromString(data[place + 7 : place + 7 + length])
        assert kind == 1
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            history.append({i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items})
        place += 7 + length
    return history


@pytest.mark.integration
def test_wandb_offline_keeps_a_segment_for_each_attempt(run, monkeypatch):
    pytest.importorskip("wandb")
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(run.path / name.lower()))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # a tracker that fails would warn
        write(run, rows(1, 4), wandb="offline", tensorboard=False)
        write(run, rows(4, 6), after=3, wandb="offline", tensorboard=False)
    kept = json.loads((run.logs / "wandb.json").read_text())
    assert kept["attempts"] == {"net": 2} and kept["id"].startswith("run-")
    segments = sorted((run.logs / "wandb").glob("offline-run-*"), key=lambda p: p.name[-1])
    assert [s.name.endswith(f"{kept['id']}-net-{n}") for n, s in enumerate(segments, 1)] == [True, True]
    expected = [[(1, 1), (2, 2), (3, 3)], [(4, 4), (5, 5)]]
    for _ in range(100):  # W&B's own process writes, and may be late on a busy machine
        seen = [[(row["step"], row["step/loss"]) for row in wandb_history(segment)] for segment in segments]
        if seen == expected:
            break
        time.sleep(0.1)
    assert seen == expected


def test_wandb_is_off_unless_asked_for(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)  # importing it would fail, and warn
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(run, rows(1, 3), tensorboard=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    with pytest.warns(UserWarning, match="pip install wandb"):
        write(run, rows(3, 4), tensorboard=False)
    assert len(run.read_metrics()) == 3


@pytest.mark.integration
def test_wandb_that_cannot_be_reached_does_not_stop_training(run, monkeypatch):
    pytest.importorskip("wandb")
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(run.path / name.lower()))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setattr("labkit.run_folder.wandb_run.PATIENCE_S", 2)
    with pytest.warns(UserWarning, match="A tracker failed and is off"):
        write(run, rows(1, 4), wandb="online", tensorboard=False)
    assert [row["step"] for row in run.read_metrics()] == [1, 2, 3]


def test_a_mirror_that_breaks_is_switched_off_with_one_warning(run, monkeypatch):
    def refuse(self, numbers, step):
        if step >= 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(TensorBoard, "log", refuse)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        write(run, rows(1, 6))
    ours = [str(w.message) for w in told if "tracker failed" in str(w.message)]
    assert len(ours) == 1 and "No space left" in ours[0]
    assert len(run.read_metrics()) == 5


def test_a_log_gets_lines_and_no_bar(run, capsys):
    with Progress("net", 10) as progress:
        progress.advance({"step": 5, "loss": 0.5, "lr": 0.1})
        progress.epoch({"fit": "net", "step": 10, "epoch": 1, "train_loss": 0.25, "lr": 0.1}, 1.25)
    assert capsys.readouterr().err == "net: epoch 1, step 10/10: train_loss 0.25 (1.2 s)\n"


def test_silence_is_silent(run, capsys):
    with Progress("net", 10, show=False) as progress:
        progress.epoch({"step": 10, "epoch": 1}, 1.0)
    assert capsys.readouterr() == ("", "")


IN_TERMINAL = """
from labkit.train.tracking import Progress
with Progress("net", 4) as progress:
    for step in (2, 4):
        progress.advance({"step": step, "loss": 1 / step, "lr": 0.1})
    progress.epoch({"step": 4, "epoch": 1, "train_loss": 0.25}, 1.0)
"""


@pytest.mark.parametrize("quiet", [False, True])
def test_a_terminal_gets_a_bar_unless_a_runner_watches(tmp_path, quiet):
    """A pseudo-terminal is a terminal to the process inside."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("LABKIT_RUN_DIR", "LABKIT_QUIET")}
    environment |= {"LABKIT_RUN_DIR": str(tmp_path)} if quiet else {}
    subprocess.run([sys.executable, "-c", IN_TERMINAL], stderr=theirs, env=environment, check=True)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a pseudo-terminal is an error
        while chunk := os.read(ours, 4096):
            shown += chunk
    os.close(ours)
    shown = shown.decode()
    assert ("100%" in shown and "\r" in shown.replace("\r\n", "")) is not quiet
    assert "net: epoch 1, step 4/4: train_loss 0.25 (1.0 s)" in shown


def test_without_tqdm_there_are_lines(run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with Progress("net", 10, show=True) as progress:
        progress.advance({"step": 5})
        progress.epoch({"step": 10, "epoch": 1, "train_loss": 0.5}, 1.0)
    assert capsys.readouterr().err == "net: epoch 1, step 10/10: train_loss 0.5 (1.0 s)\n"
