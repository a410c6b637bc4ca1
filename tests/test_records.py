"""The run folder keeps its word: nothing half written, nothing overwritten, JSON that every parser reads."""

import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from labkit.run_folder import LabError, RunFolder, atomic_write, current_run, records


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "r1").create({"notebook": "n.ipynb"})


def strict(text):
    """Parse as the JSON standard says: NaN and Infinity are refused."""

    def refuse(name):
        raise ValueError(name)

    return json.loads(text, parse_constant=refuse)


def test_a_new_run_is_queued_and_has_its_folders(run):
    assert run.id == "r1"
    assert run.read_spec() == {"notebook": "n.ipynb"}
    assert run.read_status()["state"] == "queued"
    assert all(folder.is_dir() for folder in (run.checkpoints, run.figures, run.logs))


def test_a_run_is_never_overwritten(run):
    with pytest.raises(LabError, match="already"):
        RunFolder(run.path).create({"notebook": "other.ipynb"})
    assert run.read_spec() == {"notebook": "n.ipynb"}


def test_status_fields_merge_and_none_removes_one(run):
    run.write_status("running", pid=7, cell="1/3")
    run.write_status("done", cell=None)
    status = run.read_status()
    assert (status["state"], status["pid"], "cell" in status) == ("done", 7, False)


def test_an_unknown_state_is_refused_with_the_nearest(run):
    with pytest.raises(LabError, match="running"):
        run.write_status("runing")


def test_numbers_that_json_lacks_are_still_valid_json(run):
    run.append_metrics({"loss": math.nan, "lr": math.inf, "low": -math.inf, "step": np.int64(3)})
    run.summarize(worst=float("nan"), table=np.eye(2), where=run.path)
    assert strict(run.metrics_log.read_text()) == {"loss": None, "lr": "inf", "low": "-inf", "step": 3}
    assert strict(run.metrics_file.read_text())["table"] == [[1.0, 0.0], [0.0, 1.0]]


def test_a_torn_last_line_is_left_out_and_the_next_row_survives(run):
    run.append_metrics({"step": 1})
    with open(run.metrics_log, "a") as file:
        file.write('{"step": 2, "lo')
    assert run.read_metrics() == [{"step": 1}]
    again = RunFolder(run.path)
    again.append_metrics({"step": 2})
    assert again.read_metrics() == [{"step": 1}, {"step": 2}]


def test_truncation_drops_only_the_later_rows_of_that_fit(run):
    for fit in ("a", "b"):
        for step in (1, 2, 3):
            run.append_metrics({"fit": fit, "step": step})
    run.append_metrics({"note": "no fit"})
    run.truncate_metrics("a", 1)
    assert [(r.get("fit"), r.get("step")) for r in run.read_metrics()] == [
        ("a", 1),
        ("b", 1),
        ("b", 2),
        ("b", 3),
        (None, None),
    ]


def test_summaries_merge_and_equal_values_give_equal_files(tmp_path):
    files = []
    for name in ("x", "y"):
        run = RunFolder(tmp_path / name).create({})
        run.summarize(accuracy=0.5)
        run.summarize("accuracy", loss=np.float32(0.25))
        run.record_timings(seconds=np.random.rand())
        files.append(run.metrics_file.read_bytes())
    assert files[0] == files[1]
    assert run.read_summary() == {"accuracy": 0.5, "loss": 0.25, "main": "accuracy"}


def test_the_headline_must_be_a_metric(run):
    with pytest.raises(LabError, match="accuracy"):
        run.summarize(main="acuracy", accuracy=1.0)


def test_the_stop_flag_is_seen(run):
    assert not run.stop_requested()
    run.stop_flag.touch()
    assert run.stop_requested()


def test_a_full_disk_is_one_sentence_and_keeps_the_old_file(tmp_path):
    """A file-size limit is the disk that is full: the kernel refuses the write half-way."""
    target = tmp_path / "status.json"
    atomic_write(target, "old")
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from labkit.run_folder import atomic_write\n"
        "from labkit.run_folder import LabError\n"
        "try: atomic_write(sys.argv[1], 'x' * 100_000)\n"
        "except LabError as error: print(error)"
    )
    said = subprocess.check_output([sys.executable, "-c", code, str(target)], text=True)
    assert "full" in said and str(target) in said
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["status.json"]


def test_a_kill_in_the_middle_of_writing_leaves_a_whole_file(tmp_path):
    target = tmp_path / "f.json"
    atomic_write(target, json.dumps(["x" * 200_000]))
    code = (
        "import sys\nfrom labkit.run_folder import atomic_write\nprint(flush=True)\n"
        "while True: atomic_write(sys.argv[1], '[\"' + 'y' * 200_000 + '\"]')"
    )
    for delay in (0.01, 0.02, 0.05):
        writer = subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE)
        writer.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(delay)
        writer.kill()
        writer.wait()
        assert len(json.loads(target.read_text())[0]) == 200_000


def test_a_read_only_folder_is_one_sentence(monkeypatch, tmp_path):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(records.os, "replace", refuse)
    with pytest.raises(LabError, match="read-only"):
        atomic_write(tmp_path / "f", "text")
    assert os.listdir(tmp_path) == []


def test_readers_never_see_a_missing_or_empty_status(run):
    def write(number):
        run.write_status("running", number=number)

    with ThreadPoolExecutor(1) as pool:
        writes = [pool.submit(write, n) for n in range(50)]
        while not writes[-1].done():
            assert run.read_status()["state"] in ("queued", "running")
    assert run.read_status()["number"] == 49


def test_the_current_run_is_the_runners_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_RUN_DIR", str(tmp_path / "given"))
    assert current_run().path == tmp_path / "given"


def test_outside_a_run_there_is_one_fresh_folder_per_process(tmp_path):
    code = (
        "from labkit.run_folder import current_run\n"
        "run = current_run(); assert run is current_run()\n"
        "print(run.path, run.read_status()['state'])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "LABKIT_RUN_DIR"}
    environment["LABKIT_RUNS"] = str(tmp_path)
    said = [subprocess.check_output([sys.executable, "-c", code], text=True, env=environment).split() for _ in range(2)]
    assert said[0][0] != said[1][0] and said[0][1] == "running"
    assert RunFolder(said[0][0]).read_status()["state"] == "done"


def test_a_file_in_the_place_of_the_runs_folder_is_told_as_such(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(LabError, match="is a file; name a folder with LABKIT_RUNS"):
        RunFolder(tmp_path / "runs" / "r").create({})


def test_a_record_that_is_no_dict_or_cannot_be_read_counts_as_none(run):
    run.status_file.write_text("[]")
    assert run.read_status() == {}
    run.status_file.unlink()
    run.status_file.mkdir()
    assert run.read_status() == {}


def test_an_interactive_session_says_which_process_it_is(tmp_path):
    code = "from labkit.run_folder import current_run; import os; print(current_run().path); os._exit(9)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "LABKIT_RUNS": str(tmp_path), "LABKIT_RUN_DIR": ""},
    )
    status = RunFolder(done.stdout.strip()).read_status()
    assert {"host", "pid", "pid_started"} <= set(status)
    from labrun.state import observe

    assert observe(RunFolder(done.stdout.strip()))["state"] == "died"
