"""How Slurm ended a job that could not save is told by name: time limit, lost node, a more urgent job."""

import os
import signal

import pytest

pytestmark = pytest.mark.integration

DEAF = """import json, os, time
from labkit.run_folder import current_run
run = current_run()
(run.path / 'node').write_text(os.environ['SLURMD_NODENAME'])
for _ in range(1200):                       # looks at no flag, and ends by itself only if the test has gone
    if (run.path / 'go').exists(): break
    time.sleep(.1)"""


@pytest.fixture(scope="module")
def deaf(lab):
    """(run, job, node) of three jobs that hear nothing and that Slurm may not queue again."""
    runs = [lab.freeze(name, DEAF) for name in ("one", "two", "three")]
    jobs = [lab.executor().submit([run])[0] for run in runs]
    for run, job in zip(runs, jobs, strict=True):
        lab.until(lambda run=run: (run.path / "node").exists() and (run.path / "node").read_text(), run=run)
        lab.cluster.ask("scontrol", "update", f"job={job}", "requeue=0")
    yield [(run, job, (run.path / "node").read_text()) for run, job in zip(runs, jobs, strict=True)]
    for run in runs:
        (run.path / "go").touch()


def test_a_time_limit_a_lost_node_and_a_more_urgent_job_are_told_apart(lab, deaf):
    nodes = [node for _, _, node in deaf]  # two CPUs each: two of the jobs sit on one of them
    [(orphan, _, lost)] = [one for one in deaf if nodes.count(one[2]) == 1]
    (late, job, node), (displaced, _, _) = [one for one in deaf if one[2] != lost]
    lab.cluster.ask("scontrol", "update", f"job={job}", "endtime=now+1")
    os.kill(lab.cluster.pid(f"slurmd-{lost}"), signal.SIGKILL)

    assert lab.ended(late, orphan) == ["timeout", "died"], lab.picture(late)
    assert lab.state(displaced)["state"] == "running"
    lab.cluster.ask(
        "sbatch", "--partition=urgent", f"--nodelist={node}", "--cpus-per-task=2", "--output=/dev/null", "--wrap=true"
    )
    assert lab.ended(displaced) == ["interrupted"], lab.picture(displaced)

    seen = [lab.state(run) for run in (late, orphan, displaced)]
    assert [one["cause"] for one in seen] == ["time limit", "node failed", "preempted"]
    assert all("labkit resume continues" in one["message"] for one in seen)
    assert {run.read_status()["attempt"] for run in (late, orphan, displaced)} == {1}
    assert lab.cluster.do("start").returncode == 0  # the node comes back
