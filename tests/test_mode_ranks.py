"""A mode of the SimCLR lab on two ranks learns what one process learns: real torchrun, one shared record."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.run_folder import RunFolder
from labkit.scaling import train_ranks

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[1]
LENET = ("--mode", "simclr_scratch", "--model", "lenet", "--max-steps", "4")  # no BatchNorm: ranks can agree


def launch(folder, ranks, *words):
    """Run the program on so many ranks in a run folder; return (exit code, what was said, run)."""
    environment = os.environ | {"LABKIT_RUN_DIR": str(folder), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            f"--nproc-per-node={ranks}",
            "-m",
            "labkit.scaling.train_ranks",
            *words,
        ],
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        timeout=280,
    )
    return done.returncode, done.stdout + done.stderr, RunFolder(folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    found = {}
    for ranks in (1, 2):
        code, said, found[ranks] = launch(tmp_path_factory.mktemp("ranks") / str(ranks), ranks, *LENET)
        assert code == 0, said
    return found


def losses(run):
    rows = [json.loads(line) for line in run.metrics_log.read_text().splitlines()]
    return [row["train_loss"] for row in rows if "train_loss" in row]


def test_two_ranks_contrast_as_one_process(runs):
    one, two = losses(runs[1]), losses(runs[2])
    assert one and two == pytest.approx(one, rel=1e-4)  # half the negatives would lower it by log 2


def test_both_are_examined_alike(runs):
    one, two = (run.read_summary() for run in runs.values())
    assert one["main"] == two["main"] == "accuracy"
    assert two["images_seen"] == one["images_seen"] == 4 * 128
    assert two["accuracy"] == pytest.approx(one["accuracy"], abs=0.01)
    assert runs[2].read_status()["state"] == "done"


def test_a_wrong_mode_is_one_sentence(tmp_path):
    code, said, run = launch(tmp_path / "wrong", 1, "--mode", "simclr_scrach")
    assert code == 1 and "Did you mean simclr_scratch" in said and "Traceback" not in said.split("torch")[0]
    assert run.read_status()["state"] == "failed"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--mode", "scratch", "--lr", "0.1"], "--lr has no effect here; a mode's budget is its preset's."),
        (["--max-steps", "3"], "--max-steps has no effect here; it belongs to a mode: add --mode."),
    ],
)
def test_an_option_without_effect_is_refused(words, said, capsys):
    with pytest.raises(SystemExit) as left:
        train_ranks.main(words)
    assert left.value.code == 2 and said in capsys.readouterr().err


def test_one_channel_is_trained_on(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_RUN_DIR", str(tmp_path / "digits"))
    monkeypatch.setenv("LABKIT_ATTEMPT", "")  # what it sets is taken back
    assert train_ranks.main(["--dataset", "digits", "--epochs", "1", "--model", "lenet"]) == 0
    assert RunFolder(tmp_path / "digits").read_summary()["main"] == "val_accuracy"
