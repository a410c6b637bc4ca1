"""States don't lie: a run whose process is gone has died, however alive its record sounds."""

import subprocess
import sys
import time

import pytest

from labkit.run_folder import LabError, RunFolder, is_alive, process_identity
from labrun import state


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_RUNS", str(tmp_path))
    return tmp_path


def make(runs, name, status="done", spec=None, **fields):
    run = RunFolder(runs / name).create(spec or {})
    run.write_status(status, **fields)
    return run


def test_a_running_process_runs_and_a_gone_one_has_died(runs):
    sleeper = subprocess.Popen(["sleep", "60"])
    run = make(runs, "r", "running", **process_identity(sleeper.pid))
    assert state.observe(run)["state"] == "running"
    sleeper.kill()
    sleeper.wait()
    assert state.observe(run)["state"] == "died"
    assert run.read_status()["state"] == "running"  # looking changes nothing


def test_a_zombie_and_a_process_id_given_again_are_not_alive(runs):
    known = process_identity()
    assert is_alive(known) is True
    assert is_alive(known | {"pid_started": "1"}) is False
    ended = subprocess.Popen([sys.executable, "-c", ""])
    identity = process_identity(ended.pid)
    deadline = time.monotonic() + 30
    while is_alive(identity):  # not reaped: it stays as a zombie
        assert time.monotonic() < deadline
        time.sleep(0.02)
    ended.wait()


def test_another_machines_run_is_believed(runs):
    run = make(runs, "r", "running", **process_identity() | {"host": "node7", "pid": 2**22 + 1})
    assert state.observe(run)["state"] == "running"


def test_a_submitted_run_has_a_minute_to_report(runs, monkeypatch):
    run = make(runs, "r", "queued")
    assert state.observe(run)["state"] == "queued"
    monkeypatch.setattr(state, "START_S", -1)
    assert state.observe(run)["state"] == "died"


def test_runs_are_found_by_the_start_of_their_name(runs):
    for name in ("train-1", "train-2", "other"):
        make(runs, name)
    assert state.find("oth").id == "other" and state.find("train-1").id == "train-1"
    for wrong in ("train", "othr", ""):
        with pytest.raises(LabError, match="run"):
            state.find(wrong)


def test_of_several_the_only_open_one_or_the_newest_is_meant(runs):
    for age, (name, status) in enumerate({"t-1": "queued", "t-2": "done", "t-3": "failed"}.items()):
        make(runs, name, status, created=age)
    assert state.find("t", newest=True).id == "t-3"
    assert [run.id for run in state.matching_runs("t", states=state.OPEN)] == ["t-1"]
    assert [run.id for run in state.matching_runs("t", states=state.RESUMABLE)] == ["t-3"]
    with pytest.raises(LabError, match=r"'t' fits 3 runs: t-3, t-2, t-1; type more letters"):
        state.matching_runs("t", states=("running",))


def test_without_any_run_the_sentence_says_how_to_start_one(runs):
    with pytest.raises(LabError, match="labkit run"):
        state.find("x")


def test_a_sweep_is_its_children_and_a_run_is_itself(runs):
    make(runs, "parent")
    for number in (2, 1):
        make(runs, f"s-{number}", spec={"parent": "s"})
        make(runs, f"p-{number}", spec={"parent": "parent"})
    assert [run.id for run in state.matching_runs("s")] == ["s-1", "s-2"]
    assert [run.id for run in state.matching_runs("parent")] == ["parent"]
    assert [run.id for run in state.runs_of_sweep("parent")] == ["p-1", "p-2"]
    with pytest.raises(LabError, match="sweep"):
        state.runs_of_sweep("nothing")


def test_a_folder_without_a_record_is_no_run_and_a_torn_record_is_a_dead_one(runs):
    (runs / "stray").mkdir()
    run = make(runs, "torn")
    run.status_file.write_text('{"state": "runn')
    assert [one.id for one in state.all_runs()] == ["torn"]
    assert state.observe(run)["state"] == "died"
