"""Interrupted and resumed is uninterrupted, bit for bit: a real training, a real TERM, `labkit resume`."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from labrun import state

pytestmark = pytest.mark.integration

TRAIN = """import torch
from torch import nn
from labkit.train import TrainConfig
from labkit.data.batches import Batches
from labkit.data.splits import Split
from labkit.run_folder import current_run
from labkit.train import fit

torch.set_num_threads(1)
run = current_run()
generator = torch.Generator().manual_seed(0)
images = torch.randint(0, 256, (256, 1, 8, 8), dtype=torch.uint8, generator=generator)
split = Split(images, images[:, 0, 0, 0].long() % 3, "noise")
torch.manual_seed(seed)
model = nn.Sequential(nn.Flatten(), nn.Dropout(.2), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 3))"""
SLOW = """import time

def patience(model):
    (run.path / 'epochs').open('a').write('x')
    pause = float(__import__('os').environ.get('LABKIT_TEST_PAUSE', '0'))
    time.sleep(pause)
    return {'seen': 1.0}"""
FIT = """config = TrainConfig(epochs=12, seed=seed)
history = fit(model, Batches(split, 32, seed=seed, device='cpu'), config=config,
              val=Batches.evaluation(split, 64, device='cpu'), run=run, monitor=patience, progress=False)
run.summarize(main='val_accuracy', val_accuracy=history.epochs[-1]['val_accuracy'],
              weights=[float(p.double().sum()) for p in model.parameters()])"""


def test_a_run_stopped_by_term_and_resumed_equals_the_one_left_alone(lab, monkeypatch):
    straight = lab.freeze("straight", TRAIN, SLOW, FIT, seed=3)
    assert lab.go([straight]) == 0, straight.log_file.read_text()

    stopped = lab.freeze("stopped", TRAIN, SLOW, FIT, seed=3)
    monkeypatch.setenv("LABKIT_TEST_PAUSE", "0.3")
    queue = lab.executor.submit([stopped])
    lab.until(lambda: (stopped.path / "epochs").exists() and len((stopped.path / "epochs").read_text()) >= 2)
    os.kill(stopped.read_status()["pid"], signal.SIGTERM)
    assert queue.wait(timeout=120) == 75, stopped.log_file.read_text()
    assert state.observe(stopped)["state"] == "interrupted"
    assert 2 <= len((stopped.path / "epochs").read_text()) < 12

    monkeypatch.setenv("LABKIT_TEST_PAUSE", "0")
    shutil.rmtree(stopped.logs)  # someone tidied up: a resume makes it again
    resumed = subprocess.run([sys.executable, "-m", "labrun.cli", "resume", "stopped"], capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert not stopped.stop_requested()
    assert stopped.metrics_file.read_bytes() == straight.metrics_file.read_bytes()
    assert stopped.metrics_log.read_bytes() == straight.metrics_log.read_bytes()
    assert stopped.read_status()["attempt"] == 2

    again = subprocess.run([sys.executable, "-m", "labrun.cli", "resume", "stopped"], capture_output=True, text=True)
    assert (again.returncode, "stopped is done" in again.stderr) == (2, True)
