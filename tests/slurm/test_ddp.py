"""scripts/train_ddp.sh: torchrun on two nodes trains one model; a rank that dies ends all, with its words."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labkit.run_folder import RunFolder

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DIES = """import os, sys, time
import torch, torch.distributed as dist
from labkit import distributed
distributed.setup(60)
if dist.get_rank() == 1:
    sys.exit("rank one has had enough")
dist.all_reduce(torch.ones(1))
time.sleep(600)
"""


@pytest.fixture(scope="module")
def send(lab, tmp_path_factory):
    """`send(words)` runs train_ddp.sh by sbatch, waits for its end and returns (job, log, run, seconds)."""
    root = tmp_path_factory.mktemp("ddp") / "my course"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    (root / "labrun" / "slurm").mkdir(parents=True)
    shutil.copy(ROOT / "labrun/slurm/requeue.sh", root / "labrun/slurm")
    (root / "slurm_logs").mkdir()
    (root / "dies.py").write_text(DIES)
    environment = os.environ | {
        "LABKIT_PYTHON": sys.executable,
        "OUTPUT_DIR": str(root / "runs"),
        "SLURM_CONF": str(lab.cluster.folder / "slurm.conf"),
    }

    def go(*words, until=lambda job, run: None, **more):
        started = time.monotonic()
        sent = subprocess.run(
            ["sbatch", "--parsable", "./scripts/train_ddp.sh", *words],
            cwd=root,
            text=True,
            env=environment | more,
            capture_output=True,
            timeout=60,
        )
        assert sent.returncode == 0, sent.stderr
        job = sent.stdout.strip()
        run, log = RunFolder(root / "runs" / f"ddp-{job}"), root / "slurm_logs" / f"ddp_{job}.out"
        until(job, run)
        lab.until(lambda: not lab.cluster.ask("squeue", "--noheader", f"--jobs={job}"), timeout_s=150)
        return log.read_text(), run, time.monotonic() - started

    return go


def test_two_nodes_train_one_model_are_told_to_save_and_go_on(send, lab):
    def tell(job, run):
        lab.until(lambda: (run.checkpoints / "model" / "last.pt").exists())
        lab.cluster.ask("scancel", "--batch", "--signal=USR1", job)

    log, run, _ = send("--dataset", "digits", "--epochs", "8", until=tell)
    assert run.read_status()["state"] == "done", log
    assert "2 nodes x 1 ranks meet at 127.0.0.1:" in log
    assert run.read_status()["attempt"] == 2 and "the job is queued again" in log
    rows = [row for row in run.read_metrics() if row["kind"] == "epoch"]
    assert [row["epoch"] for row in rows] == list(range(1, 9))
    assert run.read_summary()["val_accuracy"] == rows[-1]["val_accuracy"]


def test_a_rank_that_dies_ends_all_soon_and_its_words_are_in_the_log(send):
    log, _, seconds = send(DDP_PROGRAM="dies.py")
    assert "rank one has had enough" in log and "STOPPED: a rank failed" in log
    assert seconds < 90


def test_a_first_host_that_does_not_resolve_ends_it_at_once(send):
    log, _, _ = send(DDP_ADDRESS="no-such-host.invalid")
    assert "does not resolve here" in log


def test_outside_of_slurm_it_says_what_to_type():
    done = subprocess.run(
        ["bash", ROOT / "scripts/train_ddp.sh"], capture_output=True, text=True, env={"PATH": os.environ["PATH"]}
    )
    assert done.returncode == 2 and "sbatch ./scripts/train_ddp.sh" in done.stderr
