"""How Slurm ended a job that could not save is told by name: time limit, lost node, a more urgent job."""

import os
import signal

import pytest

pytestmark = pytest.mark.integration

DEAF = """import json, os, time
from labkit.records import current_run
run = current_run()
(run.path / 'node').write_text(os.environ['SLURMD_NODENAME'])
for _ in range(1200):                       # looks at no flag, and ends by itself only if the test has gone
    if (run.path / 'go').exists(): break
    time.sleep(.1)"""


@pytest.fixture(scope="module")
def deaf(lab):
    """Three jobs that hear nothing and that Slurm may not queue again, by name: (run, job, node)."""
    runs = [lab.freeze(name, DEAF) for name in ("late", "displaced", "orphan")]
    jobs = [lab.executor().submit([run])[0] for run in runs]
    for run, job in zip(runs, jobs, strict=True):
        lab.until(lambda run=run: (run.path / "node").exists() and (run.path / "node").read_text(), run=run)
        lab.cluster.ask("scontrol", "update", f"job={job}", "requeue=0")
    yield {run.id: (run, job, (run.path / "node").read_text()) for run, job in zip(runs, jobs, strict=True)}
    for run in runs:
        (run.path / "go").touch()


def test_a_time_limit_a_lost_node_and_a_more_urgent_job_are_told_apart(lab, deaf):
    late, job, _ = deaf["late"]
    lab.cluster.ask("scontrol", "update", f"job={job}", "endtime=now+1")
    orphan, _, lost = deaf["orphan"]
    displaced, _, node = deaf["displaced"]
    assert lost != node, "the three fill one node and half of the other"
    os.kill(lab.cluster.pid(f"slurmd-{lost}"), signal.SIGKILL)

    assert lab.ended(late, orphan) == ["timeout", "died"], lab.picture(late)
    assert lab.state(displaced)["state"] == "running"
    lab.cluster.ask("sbatch", "--partition=urgent", f"--nodelist={node}", "--cpus-per-task=2",
                    "--output=/dev/null", "--wrap=true")
    assert lab.ended(displaced) == ["interrupted"], lab.picture(displaced)

    seen = {run.id: lab.state(run) for run in (late, orphan, displaced)}
    assert {name: one["cause"] for name, one in seen.items()} == {
        "late": "time limit", "orphan": "node failed", "displaced": "preempted"}
    assert all("labkit resume goes on" in one["message"] for one in seen.values())
    assert {run.read_status()["attempt"] for run in (late, orphan, displaced)} == {1}
    assert lab.cluster.do("start").returncode == 0                  # the node comes back
