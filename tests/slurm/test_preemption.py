"""Time limits, TERM, lost nodes: the run goes on by itself and ends with the bits of the one left alone."""

import json
import os
import signal

import pytest

from labkit.run_folder import is_alive

pytestmark = pytest.mark.integration

TRAIN = """import json, os, time, torch
from torch import nn
from labkit.train import TrainConfig
from labkit.data.batches import Batches
from labkit.data.splits import Split
from labkit.run_folder import process_identity
from labkit.run_folder import current_run
from labkit.train import fit

run = current_run()
generator = torch.Generator().manual_seed(0)
images = torch.randint(0, 256, (128, 1, 8, 8), dtype=torch.uint8, generator=generator)
split = Split(images, images[:, 0, 0, 0].long() % 3, "noise")
torch.manual_seed(seed)
model = nn.Sequential(nn.Flatten(), nn.Dropout(.2), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 3))"""
SLOW = """here = process_identity() | {'node': os.environ['SLURMD_NODENAME']}
(run.path / 'kernel').write_text(json.dumps(here))

def patience(model):
    first_of_a_slow_one = (run.path / 'slow').exists() and not (run.path / 'attempts' / '2').exists()
    time.sleep(0.5 if first_of_a_slow_one else 0)
    (run.path / 'epochs').open('a').write('x')
    return {'seen': 1.0}"""
FIT = """config = TrainConfig(epochs=150, seed=seed)
history = fit(model, Batches(split, 32, seed=seed, device='cpu'), config=config,
              val=Batches.evaluation(split, 64, device='cpu'), run=run, monitor=patience, progress=False)
run.summarize(main='val_accuracy', val_accuracy=history.epochs[-1]['val_accuracy'],
              weights=[float(p.double().sum()) for p in model.parameters()])"""
RESTLESS = "from labkit.run_folder import Interrupted\nraise Interrupted('saved')"


@pytest.fixture(scope="module")
def begun(lab):
    """Runs that begin together, so that their waits overlap: `straight` is the one that nobody disturbs."""
    runs = {"straight": lab.freeze("straight", TRAIN, SLOW, FIT, seed=3), "limited": slow(lab, "limited")}
    lab.executor(time="00:02:00").submit([runs["limited"]])  # warned 60 to 90 s before: Slurm looks every 30 s
    lab.executor().submit([runs["straight"]])
    runs["restless"] = lab.freeze("restless", RESTLESS)
    lab.executor(max_restarts=1).submit([runs["restless"]])
    return runs


@pytest.fixture(scope="module")
def straight(begun):
    return begun["straight"]


def slow(lab, name):
    run = lab.freeze(name, TRAIN, SLOW, FIT, seed=3)
    (run.path / "slow").touch()
    return run


def trains(run):
    return (run.path / "epochs").exists() and len((run.path / "epochs").read_text()) >= 2


def assert_same_bits(run, straight, lab):
    assert lab.ended(run, straight, timeout_s=150) == ["done", "done"], lab.picture(run)
    assert run.metrics_file.read_bytes() == straight.metrics_file.read_bytes()
    assert run.metrics_log.read_bytes() == straight.metrics_log.read_bytes()
    assert run.read_status()["attempt"] >= 2  # on a slow machine the second meets the limit, too


def test_one_task_of_an_array_told_to_end_is_queued_again_alone_and_ends_with_the_same_bits(lab, straight):
    runs = [slow(lab, "task-1"), slow(lab, "task-2")]
    (runs[0].path / "slow").unlink()
    jobs = lab.executor().submit(runs)
    lab.until(lambda: trains(runs[1]), run=runs[1])
    lab.cluster.ask("scancel", "--full", "--signal=TERM", jobs[1])
    assert_same_bits(runs[1], straight, lab)
    assert lab.ended(runs[0]) == ["done"] and runs[0].read_status()["attempt"] == 1
    assert runs[0].metrics_log.read_bytes() == straight.metrics_log.read_bytes()


def test_at_its_time_limit_a_run_saves_is_queued_again_and_ends_with_the_same_bits(lab, begun):
    run = begun["limited"]
    seen = lab.until(lambda: (s := lab.state(run))["state"] != "running" and s.get("attempt") and s, run=run)
    assert seen["state"] == "done" or seen["message"].startswith("Queued again: ")
    assert_same_bits(run, begun["straight"], lab)
    assert "asked to stop and has saved" in run.log_file.read_text()


def test_a_run_that_never_ends_is_not_queued_for_ever(lab, begun):
    run = begun["restless"]
    lab.until(lambda: not lab.cluster.ask("squeue", "--noheader", "--name=restless"), run=run)
    assert lab.state(run)["state"] == "interrupted" and run.read_status()["attempt"] == 2
    printed = [path.read_text() for path in (lab.folder / "runs/.jobs").glob("*/job.out")]
    assert any("restless" in text and "Restarted 1 times already" in text for text in printed), printed


def test_a_more_urgent_job_takes_the_place_and_the_run_saves_waits_and_ends_with_the_same_bits(lab, straight):
    run = slow(lab, "displaced")
    lab.executor().submit([run])
    lab.until(lambda: trains(run), run=run)
    assert lab.ended(straight) == ["done"]  # it shall not be pushed aside, too
    lab.cluster.ask(
        "sbatch",
        "--partition=urgent",
        f"--nodelist={_kernel(run)['node']}",
        "--cpus-per-task=2",
        "--output=/dev/null",
        "--wrap=sleep 3",
    )
    lab.until(lambda: lab.state(run)["state"] == "queued", run=run)
    assert_same_bits(run, straight, lab)
    assert "asked to stop and has saved" in run.log_file.read_text()


def test_a_lost_node_gives_the_run_to_the_other_and_the_old_attempt_writes_nothing_more(lab, straight):
    run = slow(lab, "lost")
    lab.executor().submit([run])
    lab.until(lambda: trains(run), run=run)
    zombie = _kernel(run)
    os.kill(lab.cluster.pid(f"slurmd-{zombie['node']}"), signal.SIGKILL)
    lived = []  # looked up before the second attempt is looked for: it ends the first within a moment
    second = run.path / "attempts" / "2"
    lab.until(lambda: lived.append(is_alive(zombie)) or second.exists(), run=run)
    assert len(lived) > 1 and all(lived[:-1]), "the first attempt was to live on until the second began"
    lab.until(lambda: not is_alive(zombie), run=run, timeout_s=10)
    assert_same_bits(run, straight, lab)
    assert _kernel(run)["node"] != zombie["node"]
    assert lab.cluster.do("start").returncode == 0  # the node comes back


def _kernel(run):
    return json.loads((run.path / "kernel").read_text())
