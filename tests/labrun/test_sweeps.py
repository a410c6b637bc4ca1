"""A sweep is a frozen grid: every point once, failures told, finished points never run twice."""

import os
import signal
import time

import pytest

from labkit.run_folder import Interrupted, LabError, RunFolder, is_alive, process_identity
from labrun import state, sweeps
from labrun.results import collect
from labrun.spec import freeze

COUNT = """from labkit.run_folder import current_run
run = current_run()
with open(run.path / 'times', 'a') as file: file.write('x')
if lr == 9: raise ValueError('too high')
run.summarize(main='lr', lr=lr)"""
SWEEPER = """from labkit.run_folder import current_run
from labrun.sweeps import sweep
run = current_run()
runs = sweep({path!r}, grid={{'lr': [.25, .5], 'seed': [1]}}, parameters={{'width': 2}}, jobs=2, parent=run)
run.summarize(values=[one.read_summary()['lr'] for one in runs], ids=[one.id for one in runs])"""


def create(*arguments, **options):
    return [freeze(spec) for spec in sweeps.plan_named(*arguments, **options)]


def test_a_grid_is_every_combination_in_order():
    assert sweeps.expand({"a": [1, 2], "b": ["x", "y"]}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]


@pytest.mark.parametrize("grid", [{}, {"lr": []}, {"lr": "0.1"}])
def test_a_grid_without_values_is_refused(grid):
    with pytest.raises(LabError, match="list of values"):
        sweeps.expand(grid)


def test_a_wrong_point_is_refused_before_any_run_exists(lab):
    path = lab.notebook("strict", "1")
    with pytest.raises(LabError, match="lr must be float"):
        create(path, {"lr": [0.1, "high"]}, name="strict")
    with pytest.raises(LabError, match="both"):
        create(path, {"lr": [0.1]}, parameters={"lr": 1.0}, name="strict")
    assert not list(lab.runs.glob("strict*"))


def test_a_sweep_stays_in_the_runs_folder_and_begins_only_where_all_is_free(lab):
    path = lab.notebook("outside", "1")
    for name in ("../../x", ""):
        with pytest.raises(LabError, match="Setting 'name' is"):
            create(path, {"lr": [0.1]}, name=name)
    (lab.runs / "half-2").mkdir(parents=True)
    with pytest.raises(LabError, match="'half-2' already"):
        create(path, {"lr": [0.1, 0.2]}, name="half")
    assert not (lab.runs / "half-1").exists()


@pytest.mark.integration
def test_only_what_failed_is_sent_again(lab):
    runs = create(lab.notebook("again", COUNT), {"lr": [0.5, 9]}, name="again")
    assert [run.id for run in runs] == ["again-1", "again-2"]
    assert lab.go(runs, jobs=2) == 1
    assert [state.observe(run)["state"] for run in runs] == ["done", "failed"]
    from labrun.launch import unfinished

    assert unfinished(state.runs_of_sweep("again")) == [runs[1]]
    lab.go(unfinished(runs))
    assert [(run.path / "times").read_text() for run in runs] == ["x", "xx"]
    assert runs[1].read_status()["attempt"] == 2
    table = collect.rows(runs)
    assert [row["varied"] for row in table] == ["lr=0.5", "lr=9.0"]
    assert [row["value"] for row in table] == [0.5, None]
    assert "ValueError: too high" in collect.to_csv(table)


@pytest.mark.integration
def test_a_notebook_sweeps_its_children_have_their_own_folders_and_are_reused(lab):
    path = str(lab.notebook("child", COUNT))
    run = lab.freeze("sweeper", SWEEPER.format(path=path))
    assert lab.go([run]) == 0, run.log_file.read_text()
    found = run.read_summary()
    assert found["values"] == [0.25, 0.5] and len(set(found["ids"])) == 2
    children = state.runs_of_sweep("sweeper")
    assert {child.read_spec()["values"]["width"] for child in children} == {2}
    owner = RunFolder(run.path)
    again = sweeps.sweep(path, grid={"lr": [0.25, 0.5], "seed": [1]}, parameters={"width": 2}, jobs=2, parent=owner)
    assert [child.id for child in again] == found["ids"]
    assert [(child.path / "times").read_text() for child in again] == ["x", "x"]


@pytest.mark.integration
def test_a_failing_point_is_told_when_all_have_ended(lab):
    path, said = lab.notebook("tells", COUNT), []
    with pytest.raises(LabError, match=r"1 of 2 runs.*too high"):
        sweeps.sweep(path, grid={"lr": [9, 0.5]}, jobs=2, report=said.append)
    assert len(said) == 2 and any("lr=0.5  done  lr 0.5" in line for line in said)


@pytest.mark.integration
def test_stopping_the_owner_stops_the_sweep_and_what_waits_is_not_started(lab):
    owner = RunFolder(lab.runs / "owner").create({})
    path = lab.notebook(
        "long",
        "from labkit.run_folder import current_run\nimport time\n"
        "from labkit.run_folder import Interrupted\nrun = current_run()\n"
        f"open({str(owner.stop_flag)!r}, 'w').close()\n"
        "while not run.stop_requested(): time.sleep(.05)\nraise Interrupted('saved')",
    )
    with pytest.raises(Interrupted):
        sweeps.sweep(path, grid={"lr": [0.1, 0.2]}, jobs=1, parent=owner)
    ended = sorted(state.observe(run).get("message") for run in state.runs_of_sweep("owner"))
    assert ended == ["Stopped before it began.", "saved"]


@pytest.mark.integration
def test_a_queue_ends_with_the_process_that_waits_for_it_and_cancelled_runs_never_start(lab):
    cell = "import time\nfrom labkit.run_folder import current_run\n(current_run().path / 'here').touch()\n"
    runs = [lab.freeze(f"orphaned-{number}", f"{cell}time.sleep(600)") for number in (1, 2)]
    pid = os.fork()
    if not pid:
        lab.executor.submit(runs, jobs=1, with_parent=True)
        time.sleep(600)
        os._exit(0)
    lab.until(lambda: (runs[0].path / "here").exists())
    assert state.observe(runs[1])["state"] == "queued"
    assert "was waiting" in lab.executor.cancel(runs[1])
    known = process_identity(runs[0].read_status()["pid"])
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    lab.executor.cancel(runs[0], now=True)  # the queue's own TERM would wait for the grace period
    lab.until(lambda: not is_alive(known))
    lab.until(lambda: state.observe(runs[0])["state"] == "cancelled")
    assert state.observe(runs[1])["state"] == "cancelled" and not (runs[1].path / "here").exists()
