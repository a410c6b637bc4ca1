"""The progress lines name the current work: no metric of a fit that has ended, and no long silence."""

import itertools
import re
import time

import pytest

from labkit.run_folder import RunFolder, process_identity
from labrun import follow, state

TRAIN = """import time
from labkit.run_folder import current_run
for step in range(20):
    current_run().append_metrics({"fit": "net", "kind": "step", "epoch": 1, "step": step, "loss": 1 / (1 + step)})
    time.sleep(.1)"""


@pytest.fixture
def run(tmp_path):
    run = RunFolder(tmp_path / "r").create({})
    run.write_status("running", started=time.time() - 100, cells=9, **process_identity())
    return run


@pytest.mark.integration
def test_a_cell_after_a_training_shows_its_own_heading_and_time_and_no_loss(lab, monkeypatch):
    monkeypatch.setattr(follow, "QUIET_S", 0.5)
    run = lab.freeze("two", "## Training", TRAIN, "## Looking", "import time\ntime.sleep(4)")
    process, lines = lab.executor.submit([run]), []
    begun = time.monotonic()
    follow.follow(
        [run],
        active=lambda: process.poll() is None,
        show="lines",
        report=lambda line: lines.append((time.monotonic() - begun, line)),
    )
    process.wait(timeout=60)
    texts = [line for _, line in lines]
    training = [line for line in texts if "cell 4/6  Training" in line]
    looking = [line for line in texts if "cell 6/6  Looking" in line]
    assert any("epoch 1, loss" in line for line in training) and len(looking) >= 3
    assert not [line for line in looking if "loss" in line]
    seconds = [float(re.search(r"Looking  ([\d.]+) s", line)[1]) for line in looking]
    assert seconds == sorted(seconds) and seconds[0] < 2 < seconds[-1] < 20  # the time in this cell, not in the run
    assert texts[-1].startswith("two  done")
    first = next(when for when, line in lines if "cell" in line)
    pauses = [b - a for (a, _), (b, _) in itertools.pairwise(lines) if a >= first]
    assert max(pauses) < 3, "a running run is silent for QUIET_S at most, and the time of one look"


def test_before_the_first_cell_and_after_the_last_the_step_is_named(run):
    assert follow.current_work(run, run.read_status()).startswith("starting the kernel  1 min 4")
    run.write_status("running", cell=9, heading="Summary", step="writing executed.html", cell_started=time.time())
    assert follow.current_work(run, run.read_status()).startswith("writing executed.html  ")


def test_a_metric_that_grows_old_within_its_cell_is_shown_with_its_age(run, monkeypatch):
    run.write_status("running", cell=3, heading="Training", cell_started=time.time() - 60)
    run.append_metrics({"fit": "net", "epoch": 2, "step": 5, "loss": 0.25})
    assert re.fullmatch(r"Training  1 min \d s  epoch 2, loss 0.25", follow.current_work(run, state.observe(run)))
    monkeypatch.setattr(follow, "STALE_S", -1)
    assert follow.current_work(run, state.observe(run)).endswith(" s ago)")
    run.write_status("running", cell=4, heading="Figures", cell_started=time.time() + 9)
    assert "loss" not in follow.current_work(run, state.observe(run))


def test_lines_come_at_least_every_ten_seconds():
    assert follow.QUIET_S <= 10


def test_the_live_picture_shows_what_runs_and_counts_what_waits(run, tmp_path):
    others = [RunFolder(tmp_path / name).create({}) for name in ("s", "t")]
    run.write_status("running", cell=3, heading="Training", cell_started=time.time())
    picture = follow._picture([run, *others]).plain.splitlines()
    assert picture[0].startswith("r  cell 3/9  Training  ") and picture[1:] == ["2 waiting"]
