"""Slurm's word and the runner's word make one state: every pair, told apart; 500 runs cost one call."""

import json
import time

import pytest

from labkit.run_folder import RunFolder
from labrun import state
from labrun.cli import runs as runs_command
from labrun.slurm import squeue as queue
from labrun.slurm.squeue import Job, merge, parse


def job(word, **fields):
    return Job("7", word, **fields)


def status(word, **fields):
    return {"state": word, "updated": time.time()} | fields


@pytest.mark.parametrize(
    ("runner", "slurm", "state", "cause"),
    [
        ("queued", "PENDING", "queued", None),
        ("queued", "RUNNING", "running", None),
        ("running", "RUNNING", "running", None),
        ("running", "COMPLETING", "running", None),
        ("running", "PENDING", "queued", None),  # the node is lost, its processes say otherwise
        ("interrupted", "PENDING", "queued", None),  # saved, and queued again
        ("interrupted", "RUNNING", "running", None),  # its script is about to queue it again
        ("interrupted", "FAILED", "interrupted", None),
        ("interrupted", "PREEMPTED", "interrupted", "preempted"),  # it has saved, and was not queued again
        ("interrupted", "TIMEOUT", "interrupted", "time limit"),
        ("done", "RUNNING", "done", None),  # the last second of a job
        ("done", "COMPLETED", "done", None),
        ("failed", "FAILED", "failed", None),
        ("died", "OUT_OF_MEMORY", "died", "out of memory"),  # the kernel was killed, the runner lived
        ("died", "FAILED", "died", None),
        ("running", "OUT_OF_MEMORY", "died", "out of memory"),  # both were
        ("running", "TIMEOUT", "timeout", "time limit"),
        ("running", "NODE_FAIL", "died", "node failed"),
        ("running", "PREEMPTED", "interrupted", "preempted"),
        ("running", "CANCELLED", "cancelled", None),
        ("queued", "CANCELLED", "cancelled", None),
        ("running", "COMPLETED", "died", None),  # a job may end well without its run
        ("running", "FAILED", "died", None),
        ("running", "SOMETHING_NEW", "died", None),
    ],
)
def test_whatever_is_not_finished_wins(runner, slurm, state, cause):
    merged = merge(status(runner), job(slurm))
    assert (merged["state"], merged.get("cause")) == (state, cause)
    assert merged["job"] == "7"


def test_why_a_job_waits_is_told_in_words():
    assert (
        merge(status("queued"), job("PENDING", reason="JobArrayTaskLimit"))["message"]
        == "waits for its turn in the array"
    )
    again = merge(status("interrupted", attempt=1), job("PENDING", reason="BeginTime"))["message"]
    assert again == "Queued again: waits a moment before it starts again"
    assert (
        "(SomeNewReason), expected to start 2026-01-02 03:04:05"
        in merge(status("queued"), job("PENDING", reason="SomeNewReason", start="2026-01-02T03:04:05"))["message"]
    )


def test_the_time_left_and_the_node_are_told_while_it_runs():
    seen = merge(status("running"), job("RUNNING", time_left="59:01", nodes="node2"))
    assert (seen["time_left"], seen["nodes"]) == ("59:01", "node2")


def test_a_silent_controller_is_said_and_changes_nothing():
    seen = merge(status("running"), None, unavailable=True, record={"job": "7"})
    assert seen["state"] == "running" and "Slurm does not answer" in seen["message"]
    assert merge(status("done"), None, unavailable=True)["state"] == "done"


def test_a_job_that_is_nowhere_has_a_minute_then_it_is_told():
    lost = status("running", updated=time.time() - 120)
    assert merge(lost, None, record={"job": "7"})["state"] == "died"
    assert merge(status("running"), None, record={"job": "7"})["state"] == "running"
    never = status("queued", updated=time.time() - 120)
    assert merge(never, None, record={"token": "t"})["state"] == "interrupted"


def test_a_line_of_squeue_may_hold_anything_in_its_comment():
    seen = parse("12_3|PENDING|Priority|1:00:00|node1|2026-01-02T03:04:05|labkit:a|b")
    assert (seen.id, seen.reason, seen.comment) == ("12_3", "Priority", "labkit:a|b")


def test_a_job_is_found_by_its_token_where_its_number_was_never_heard():
    known = [
        Job("5_0", "PENDING", comment="labkit:t"),
        Job("5_1", "PENDING", comment="labkit:t"),
        Job("6", "RUNNING", comment="labkit:u"),
    ]
    jobs = {job.id: job for job in known}
    assert queue.find(jobs, {"token": "t", "index": 1}).id == "5_1"
    assert queue.find(jobs, {"token": "u", "index": None}).id == "6"
    assert queue.find(jobs, {"token": "v", "index": None}) is None and queue.find(jobs, {}) is None


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A squeue that says what the file `says` holds and counts its calls."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "squeue").write_text(f"#!/bin/sh\necho x >>{tmp_path}/calls\ncat {tmp_path}/says\n")
    (tools / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("LABKIT_RUNS", str(tmp_path / "runs"))
    queue.forget()
    yield tmp_path
    queue.forget()


def make(cluster, number, word="queued"):
    run = RunFolder(cluster / "runs" / f"r{number:03d}").create({"notebook": "n.ipynb"})
    run.write_status(word, executor="slurm")
    (run.path / queue.JOB_RECORD).write_text(f'{{"token": "t", "index": {number}, "job": "9_{number}"}}')
    return run


def test_five_hundred_runs_are_told_at_once_with_one_call(cluster):
    for number in range(500):
        make(cluster, number)
    (cluster / "says").write_text("".join(f"9_{n}|PENDING|Priority|1:00|||labkit:t\n" for n in range(500)))
    from labrun.results.tables import select

    started = time.monotonic()
    seen = select()
    assert time.monotonic() - started < 2.0
    assert len(seen) == 500 and {one["state"] for _, one in seen} == {"queued"}
    assert (cluster / "calls").read_text() == "x\n"


def test_accounting_is_asked_for_what_squeue_has_forgotten(cluster, monkeypatch):
    (cluster / "says").write_text("")
    run = make(cluster, 0, "running")
    monkeypatch.setattr(queue, "GRACE_S", -1)
    assert "no record of how it ended" in state.observe(run)["message"]  # a site without accounting
    (cluster / "bin" / "sacct").write_text("#!/bin/sh\necho 'CANCELLED by 1000'\n")
    (cluster / "bin" / "sacct").chmod(0o755)
    assert state.observe(run)["state"] == "cancelled"
    (cluster / "bin" / "sacct").unlink()
    assert state.observe(run)["state"] == "cancelled"  # remembered


def test_a_site_without_accounting_is_asked_once_for_all_runs(cluster):
    (cluster / "says").write_text("")
    (cluster / "bin" / "sacct").write_text(f"#!/bin/sh\necho x >>{cluster}/asked\nexit 1\n")
    (cluster / "bin" / "sacct").chmod(0o755)
    runs = [make(cluster, number, "running") for number in range(20)]
    for run in runs:
        run.status_file.write_text(json.dumps(run.read_status() | {"updated": 0}))
    assert {state.observe(run)["state"] for run in runs} == {"died"}
    assert (cluster / "asked").read_text() == "x\n"


@pytest.mark.parametrize(("word", "signal"), [("PENDING", ""), ("RUNNING", "--full --signal=TERM ")])
def test_many_that_wait_are_cancelled_by_one_call_and_none_is_told_twice(cluster, capsys, word, signal):
    (cluster / "bin" / "scancel").write_text(f"#!/bin/sh\necho $* >>{cluster}/cancelled\n")
    (cluster / "bin" / "scancel").chmod(0o755)
    runs = [make(cluster, number) for number in range(30)]
    (cluster / "says").write_text("".join(f"9_{n}|{word}|Priority|1:00|||labkit:t\n" for n in range(30)))
    runs_command.cancel.main([run.id for run in runs], standalone_mode=False)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 30 and all("cancelled" in one or "will save and stop" in one for one in said)
    jobs = [f"9_{n}" for n in range(30)]
    calls = [signal + job for job in jobs] if signal else [" ".join(jobs)]  # a second TERM would end what saves
    assert (cluster / "cancelled").read_text().splitlines() == calls
    assert all((run.path / state.CANCEL_MARKER).exists() for run in runs)


@pytest.mark.parametrize(
    ("said", "cause", "message"),
    [
        ("slurmstepd: error: Exceeded job memory limit\n", "out of memory", "more memory than the job had"),
        ("Lmod has detected an error: no module python/9\n", None, "on the node: Lmod has detected an error"),
        ("", None, "before the runner could record why"),
    ],
)
def test_what_the_jobs_output_says_about_its_death_is_told(cluster, said, cause, message):
    run = make(cluster, 0, "running")
    (cluster / "0.out").write_text(said)
    (run.path / queue.JOB_RECORD).write_text(f'{{"token": "t", "index": 0, "job": "9_0", "output": "{cluster}"}}')
    (cluster / "says").write_text("9_0|FAILED|JobLaunchFailure|0:00|node1||labkit:t\n")
    seen = state.observe(run)
    assert (seen["state"], seen.get("cause")) == ("died", cause) and message in seen["message"]


def test_what_slurm_said_last_is_remembered_when_slurm_has_forgotten_it(cluster):
    run = make(cluster, 0, "running")
    (cluster / "says").write_text("9_0|NODE_FAIL|None|0:00|node1||labkit:t\n")
    assert state.observe(run)["cause"] == "node failed"
    (cluster / "says").write_text("")
    queue.forget()
    assert state.observe(run)["cause"] == "node failed"
    (run.path / queue.JOB_RECORD).write_text('{"token": "another", "job": "10"}')  # submitted again since
    assert "cause" not in state.observe(run)
