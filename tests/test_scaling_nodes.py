"""Ranks on several nodes: what Slurm says becomes one srun, and a rank's death is found in its output."""

import sys
from pathlib import Path

import pytest

from labkit import scaling
from labkit.run_folder import LabError
from labkit.scaling.launch import Nodes, first_failure, last_lines, torchrun_command

TWO = Nodes(count=2, address="127.0.0.1", port=20_012, cpus=3, folder=Path("/runs/04"))
SHOWN = """NodeName=node1 Arch=x86_64 CoresPerSocket=2
   NodeAddr=127.0.0.1 NodeHostName=localhost Version=22.05.8"""
REPORT = """{task}: Root Cause (first observed failure):
{task}: [0]:
{task}:   time      : {time}
{task}:   host      : {host}
{task}:   rank      : {rank} (local_rank: {local})
{task}:   exitcode  : 1 (pid: 12)"""


def test_one_torchrun_per_node_meets_on_the_first_and_none_outlives_a_dead_rank():
    words = torchrun_command(["program.py", "a b"], ranks=4, log_dir=Path("/runs/04/ranks-1"), nodes=TWO)
    assert words == [
        "srun",
        "--export=ALL",
        "--overlap",
        "--nodes=2",
        "--ntasks=2",
        "--ntasks-per-node=1",
        "--cpus-per-task=3",
        "--kill-on-bad-exit=1",
        "--label",
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nnodes=2",
        "--nproc-per-node=2",
        "--max-restarts=0",
        "--rdzv-backend=c10d",
        "--rdzv-id=ranks-1",
        "--rdzv-endpoint=127.0.0.1:20012",
        "--rdzv-conf=join_timeout=120,timeout=120",
        "--local-addr=127.0.0.1",
        "--tee=3",
        "--log-dir=/runs/04/ranks-1",
        "program.py",
        "a b",
    ]
    away = Nodes(count=2, address="gpu07", port=20_012, cpus=3, folder=Path("/runs"))
    words = torchrun_command(["p"], ranks=2, log_dir=Path("/l"), nodes=away)
    assert not [word for word in words if word.startswith("--local-addr")]


def test_ranks_that_nodes_cannot_share_are_refused():
    with pytest.raises(LabError, match="3 ranks cannot be shared evenly by 2 nodes"):
        torchrun_command(["program.py"], ranks=3, log_dir=Path("/l"), nodes=TWO)


def test_the_first_host_is_where_slurm_says_it_is(monkeypatch):
    job = {"JOB_ID": "40012", "CPUS_PER_TASK": "3", "JOB_NUM_NODES": "2", "JOB_NODELIST": "hosts"}
    for name, value in job.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.delenv("DDP_ADDRESS", raising=False)

    def nodes(first, shown):
        answers = {("show", "hostnames", "hosts"): first, ("show", "node", first): shown}
        monkeypatch.setattr("labkit.scaling.launch._scontrol", lambda *words: answers[words])
        return scaling.nodes_of_job(Path("/runs/04"))

    assert nodes("node1", SHOWN) == TWO
    assert nodes("localhost", "no address").address == "localhost"
    with pytest.raises(LabError, match=r"node9 \(no-such-host.invalid\), does not resolve"):
        nodes("node9", "NodeAddr=no-such-host.invalid")


def test_a_job_of_one_node_and_no_job_have_no_nodes(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_NUM_NODES", raising=False)
    assert scaling.nodes_of_job(Path("/runs")) is None
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "1")
    assert scaling.nodes_of_job(Path("/runs")) is None


def test_a_job_of_two_nodes_inside_a_container_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    monkeypatch.setenv("SLURM_JOB_NODELIST", "node[1-2]")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="but scontrol does not answer here"):
        scaling.nodes_of_job(tmp_path)


def test_of_two_nodes_that_report_the_first_death_is_shown_with_its_own_words():
    log = "\n".join(
        [
            "0: [default0]:connection reset by peer",
            "1: [default0]:fine here",
            "1: [default1]:my memory is full",
            REPORT.format(task=0, time="2026-11-21_20:00:05", host="node1", rank=0, local=0),
            REPORT.format(task=1, time="2026-11-21_20:00:04", host="node2", rank=3, local=1),
        ]
    )
    assert first_failure(log) == (3, "[rank 3] my memory is full")


def test_a_log_without_a_report_names_no_rank():
    assert first_failure("srun: error: node2: task 1: Killed\n") == ("?", "")


def test_the_last_lines_of_every_rank_are_shown_on_one_machine_and_on_several_nodes():
    assert last_lines("[default1]:b\n[default0]:a\nW1126 torchrun stops\n") == "[rank 0] a\n[rank 1] b"
    assert last_lines("1: [default0]:c\n") == "[node 1, local rank 0] c"
    assert last_lines("nothing of a rank") == "nothing of a rank"


def test_a_dead_rank_of_one_machine_is_found_in_the_same_report():
    log = "[default1]:my memory is full\n" + REPORT.replace("{task}: ", "").format(
        time="2026-11-21_20:00:05", host="here", rank=1, local=1
    )
    assert first_failure(log) == (1, "[rank 1] my memory is full")
