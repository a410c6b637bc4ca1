"""The controller is away, or its answer is lost: nothing lies, nothing is sent twice, nothing is lost."""

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = pytest.mark.integration

WAITS = """import time
from labkit.run_folder import current_run
run = current_run()
(run.path / 'here').touch()
while not (run.path / 'go').exists(): time.sleep(.05)"""


def jobs_called(lab, name):
    return lab.cluster.ask("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%i").split()


def test_while_the_controller_is_away_nothing_lies_and_nothing_is_lost(lab):
    running = lab.freeze("running", WAITS)
    lab.executor().submit([running])
    lab.until((running.path / "here").exists, run=running)
    os.kill(lab.cluster.pid("slurmctld"), 15)
    lab.until(lambda: not lab.cluster.ask("sinfo", "--noheader"))

    later = lab.notebook("later", "1")  # both commands wait for an answer: at the same time
    with ThreadPoolExecutor() as pool:
        started = time.monotonic()
        sending = pool.submit(lab.labkit, "run", str(later), "--site", "laptop", "--name", "later")
        shown = lab.labkit("status", "--json", "running")
        assert shown.returncode == 0 and time.monotonic() - started < 30
        sent = sending.result()
    [seen] = json.loads(shown.stdout)
    assert seen["state"] == "running" and "Slurm does not answer" in seen["message"]
    assert sent.returncode == 2 and "labkit first checks whether the job was queued" in sent.stderr, sent.stderr
    assert "Slurm does not answer" in lab.labkit("resume", "later").stderr

    (running.path / "go").touch()  # a run ends without the controller
    lab.until(lambda: running.read_status()["state"] == "done", run=running)
    assert lab.cluster.do("start").returncode == 0
    assert lab.labkit("resume", "later").returncode == 0
    assert lab.ended(running, lab.run("later")) == ["done", "done"], lab.picture(lab.run("later"))
    assert len(jobs_called(lab, "later")) == 1


def test_a_lost_answer_of_sbatch_sends_nothing_twice(lab, tmp_path, monkeypatch):
    deaf = tmp_path / "sbatch"
    deaf.write_text(
        f'#!/bin/sh\n{shutil.which("sbatch")} "$@" >/dev/null\n'
        "echo 'sbatch: error: Batch job submission failed: Socket timed out' >&2\nexit 1\n"
    )
    deaf.chmod(0o755)
    run = lab.freeze("answerless", WAITS)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        [job] = lab.executor().submit([run])
    assert jobs_called(lab, "answerless") == [job]
    assert lab.executor().submit([run]) == [job]  # sent again by hand: it is there already
    assert jobs_called(lab, "answerless") == [job]
    (run.path / "go").touch()
    assert lab.ended(run) == ["done"], lab.picture(run)
