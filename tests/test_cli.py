"""The command line: one sentence for a mistake, help with examples, quick commands that stay light."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from labkit.run_folder import RunFolder, process_identity, usable_cores
from labrun import cli

COMMANDS = "run sweep status logs cancel resume collect jupyter fetch sync doctor models modes".split()
HEAVY = ("torch", "pandas", "papermill", "nbformat", "jupyter_client", "numpy", "matplotlib", "pydantic")
NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# A lesson\n## First part"},
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {"tags": ["parameters"]},
            "outputs": [],
            "execution_count": None,
            "source": "lr = 0.1\nmode = 'good'\nseed = 0",
        },
        {
            "cell_type": "code",
            "id": "c",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": "from labkit.run_folder import current_run\nfrom labkit.run_folder import LabError\n"
            "print('spoken', lr)\n"
            "if mode == 'bad': raise LabError('Choose a good mode.')\n"
            "current_run().summarize(main='lr', lr=lr)",
        },
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A folder with a notebook `lesson.ipynb` and its own runs; commands run in it."""
    monkeypatch.setenv("LABKIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("LABKIT_RUN_DIR", raising=False)
    monkeypatch.delenv("LABKIT_DEBUG", raising=False)
    (tmp_path / "lesson.ipynb").write_text(json.dumps(NOTEBOOK))
    return tmp_path


def labkit(lab, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "labrun.cli", *arguments], cwd=lab, text=True, capture_output=True, **options
    )


def make(lab, name, state="done", **fields):
    run = RunFolder(lab / "runs" / name).create({"notebook": "n.ipynb", "values": {"lr": 0.5}})
    run.write_status(state, **fields)
    return run


def test_help_lists_every_command_and_each_has_an_example(lab, monkeypatch):
    from click.testing import CliRunner

    listed = CliRunner().invoke(cli.labkit, ["--help"]).output
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", listed, flags=re.MULTILINE)
        assert f"labkit {command}" in CliRunner().invoke(cli.labkit, [command, "--help"]).output
    assert "..." not in listed.partition("Commands:")[2], "the short help must fit its line"


def test_no_command_shows_the_help_and_fails(lab):
    shown = labkit(lab)
    assert shown.returncode == 2 and "labkit doctor" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "lesson.ipynb", "-p", "lrr=1"], "Unknown parameter 'lrr'. Did you mean lr"),
        (["run", "lesson.ipynb", "-p", "lr=abc"], "lr must be float, got 'abc'."),
        (["run", "lesson.ipynb", "-p", "lr"], "name=value"),
        (["run", "nothing_like_this"], "Unknown notebook 'nothing_like_this'"),
        (["run", "lesson.ipynb", "--timeout", "-1"], "Invalid value for '--timeout': -1.0 is not in the range"),
        (["run", "lesson.ipynb", "--name", "../up"], "name"),
        (["run"], "Missing argument 'NOTEBOOK"),
        (["run", "lesson.ipynb", "lesson.ipynb", "--name", "x"], "--name is the name of one run"),
        (["sweep", "lesson.ipynb"], "list of values"),
        (["sweep", "lesson.ipynb", "-g", "lr=1,,2"], "empty value"),
        (["sweep", "lesson.ipynb", "-g", "lr"], "for example -g lr=0.1,0.2"),
        (["sweep", "lesson.ipynb"], "for example -g lr=0.1,0.2"),
        (["sweep", "lesson.ipynb", "-g", "lr=1", "--name", "../../x"], "Setting 'name' is"),
        (["sweep", "lesson.ipynb", "-g", "lr=1", "--name", ""], "Setting 'name' is"),
        (["sweep", "lesson.ipynb", "-g", "lr=.1", "-g", "lr=.2"], "lr is given twice: keep one."),
        (["sweep", "--failed", "s", "-g", "lr=.2"], "leave out the notebook"),
        (["run", "lesson.ipynb", "-p", "lr=1", "-p", "lr=2"], "lr is given twice: keep one."),
        (["run", "lesson.ipynb", "-p", "seed=1", "--seed", "2"], "seed is given twice: keep one."),
        (["status", "-n", "0"], "Invalid value for '-n'"),
        (["run", "lesson.ipynb", "--executor", "local", "--site", "byu"], "--executor local takes no --site"),
        (["run", "lesson.ipynb", "--executor", "local", "--sbatch=--qos=x"], "--executor local takes no --site"),
        (["run", "lesson.ipynb", "--site", "biu", "--dry-run"], "Unknown site 'biu'. Did you mean byu"),
        (
            ["run", "lesson.ipynb", "--time", "soon", "--dry-run"],
            "Setting 'time' is 'soon' but should be a time limit such as",
        ),
        (["sweep", "-g", "lr=1"], "Name the notebook"),
        (["sweep", "--failed", "nothing"], "Unknown sweep 'nothing': there is none yet."),
        (["logs", "nothing"], "no run yet"),
        (["cancel", "nothing"], "no run yet"),
        (["resume", "nothing"], "no run yet"),
        (["status", "--state", "runing"], "Did you mean running"),
        (["fetch", "cifar11"], "Did you mean cifar1"),
        (["models", "resnet81"], "Did you mean resnet18"),
        (["grade", "lab03", "no/such.zip"], "There is no no/such.zip, so nothing was graded"),
        (["grade", "lab03", "no/such", "--out", "book.csv"], "There is no no/such, so nothing was graded"),
        (["check", "lab03", "no/such.zip"], "There is no no/such.zip. Give the path"),
        (["frobnicate"], "No such command"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(lab, arguments, said, monkeypatch, capsys):
    monkeypatch.chdir(lab)
    monkeypatch.setattr(sys, "argv", ["labkit", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr()
    assert ended.value.code == 2
    assert said in shown.err and "Traceback" not in shown.err and shown.out == ""
    assert len(shown.err.strip().splitlines()) == 1
    assert not list(lab.glob("runs/*/spec.json"))


def test_a_sweep_asks_for_the_data_of_every_point_before_any_starts(lab):
    notebook = json.loads(json.dumps(NOTEBOOK))
    notebook["cells"][1]["source"] = "dataset = 'shapes'\ndata_dir = ''"
    notebook["cells"][2]["source"] = "print(dataset, data_dir)"
    (lab / "sets.ipynb").write_text(json.dumps(notebook))
    refused = labkit(lab, "sweep", "sets.ipynb", "-g", "dataset=shapes,folder")
    assert refused.returncode == 2 and "dataset=folder needs data_dir=PATH" in refused.stderr
    assert not list(lab.glob("runs/*/spec.json"))
    places = [lab / "a", lab / "b"]
    for place in places:
        place.mkdir()
    done = labkit(
        lab, "sweep", "sets.ipynb", "-g", f"data_dir={places[0]},{places[1]}", "-p", "dataset=folder", "--name", "two"
    )
    assert done.returncode == 0, done.stderr
    assert f"folder {places[1]}" in (lab / "runs" / "two-2" / "logs" / "run.log").read_text()


def test_the_debugging_variable_shows_the_traceback(lab):
    done = labkit(lab, "run", "nothing", env=os.environ | {"LABKIT_DEBUG": "1"})
    assert done.returncode == 2 and "Traceback" in done.stderr


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["logs", "r"], ["--help"]])
def test_quick_commands_load_no_heavy_library(lab, arguments):
    make(lab, "r", seconds=3).log_file.write_text("x\n")
    code = (
        "import sys, labrun.cli\nsys.argv = ['labkit', *sys.argv[1:]]\n"
        "try: labrun.cli.main()\nexcept SystemExit as left: assert not left.code, left.code\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=lab, capture_output=True, text=True)
    assert done.stderr.strip() == "[]", done.stderr


def test_status_tells_state_place_time_and_latest_word(lab):
    make(lab, "good", seconds=75).summarize(main="val_accuracy", val_accuracy=0.51234)
    make(lab, "bad", "failed", message="Choose a good mode.", cell=3, cells=9)
    live = make(lab, "live", "running", cell=2, cells=4, **process_identity())
    live.append_metrics({"fit": "m", "kind": "epoch", "epoch": 2, "step": 40, "loss": 0.25})
    make(lab, "gone", "running", **process_identity() | {"pid_started": "1"})
    text = labkit(lab, "status").stdout
    assert re.search(r"good +done +1 min 15 s +val_accuracy 0.5123", text)
    assert re.search(r"bad +failed +3/9 +Choose a good mode\.", text)
    assert re.search(r"live +running +2/4 +epoch 2, loss 0.25", text)
    assert re.search(r"gone +died ", text)
    listed = json.loads(labkit(lab, "status", "--json", "--state", "died", "--state", "failed").stdout)
    assert {one["id"]: one["state"] for one in listed} == {"gone": "died", "bad": "failed"}
    assert labkit(lab, "status", "go", "-n", "1").stdout.count("\n") == 2


def test_logs_show_the_end_and_follow_until_the_run_has_ended(lab):
    run = make(lab, "talks", "running", **process_identity())
    run.log_file.write_text("one\ntwo\nthree\n")
    assert labkit(lab, "logs", "tal", "-n", "2").stdout == "two\nthree\n"
    follower = subprocess.Popen(
        [sys.executable, "-m", "labrun.cli", "logs", "-f", "talks"], text=True, stdout=subprocess.PIPE
    )
    assert [follower.stdout.readline() for _ in range(3)] == ["one\n", "two\n", "three\n"]
    with open(run.log_file, "a") as log:
        log.write("four\n")
    assert follower.stdout.readline() == "four\n"
    run.write_status("done")
    assert follower.wait(timeout=30) == 0


def test_logs_of_several_runs_are_the_newests(lab):
    for age, name in enumerate(("train-b", "train-a")):
        make(lab, name, created=age).log_file.write_text(f"{name}\n")
    assert labkit(lab, "logs", "train").stdout == "train-a\n"


def test_a_word_that_fits_no_run_is_not_no_run_at_all(lab):
    assert "No run yet" in labkit(lab, "status", "x").stdout
    make(lab, "good")
    assert "No run matches" in labkit(lab, "status", "x").stdout


@pytest.mark.parametrize(
    "arguments", [["run", "lesson.ipynb"], ["sweep", "lesson.ipynb", "-g", "lr=1"], ["collect"], ["status"]]
)
def test_a_runs_folder_that_is_a_file_is_one_true_sentence(lab, arguments):
    (lab / "runs").write_text("")
    done = labkit(lab, *arguments)
    assert "Traceback" not in done.stderr and "a run called" not in done.stderr
    assert arguments == ["status"] or (done.returncode == 2 and "is a file" in done.stderr)


def test_what_the_system_refuses_is_one_sentence(monkeypatch, capsys):
    def refused(**_):
        raise PermissionError(13, "Permission denied", "/somewhere")

    monkeypatch.setattr(cli.labkit, "main", refused)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1 and "Permission denied: '/somewhere'" in capsys.readouterr().err


def test_a_damaged_status_breaks_neither_status_nor_collect(lab):
    make(lab, "torn").status_file.write_text("[]")
    make(lab, "bad", "failed", message="Choose a good mode.")
    assert re.search("torn +died", labkit(lab, "status").stdout)
    assert re.search(r"bad .*failed .*Choose a good mode\.", labkit(lab, "collect").stdout)


def test_an_interactive_session_is_asked_never_signalled_and_not_resumed(lab):
    sleeper = subprocess.Popen(["sleep", "60"])
    run = RunFolder(lab / "runs" / "interactive-1").create({"kind": "interactive"})
    run.write_status("running", **process_identity(sleeper.pid))
    assert "interactive session" in labkit(lab, "cancel", "--now", "inter").stdout
    assert run.stop_requested() and sleeper.poll() is None
    sleeper.kill()
    sleeper.wait()
    done = labkit(lab, "resume", "inter")
    assert (done.returncode, "run the notebook again" in done.stderr) == (2, True)


def test_collect_writes_page_and_csv(lab):
    make(lab, "good", seconds=1).summarize(main="lr", lr=0.5)
    done = labkit(lab, "collect", "--csv", "t.csv")
    assert done.stdout.splitlines()[-1] == str(lab / "runs" / "index.html")
    assert (lab / "runs" / "index.html").read_text().count('id="good"') == 1
    header, row = (lab / "t.csv").read_text().splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["p.lr"] == "0.5"
    assert labkit(lab, "collect", "--quiet").stdout == f"{lab / 'runs' / 'index.html'}\n"


def test_modes_and_models_are_tables(lab):
    from click.testing import CliRunner

    assert "simclr_scratch" in CliRunner().invoke(cli.labkit, ["modes"]).output
    assert re.search(r"lenet +[\d,]+ ", CliRunner().invoke(cli.labkit, ["models", "lenet"]).output)


@pytest.mark.integration
def test_a_run_in_the_foreground_shows_its_cells_and_its_exit_code_is_the_runs(lab):
    done = labkit(lab, "run", "lesson.ipynb", "-p", "lr=1e-2", "--seed", "4", "--name", "mine")
    assert done.returncode == 0, done.stderr
    assert "cell 4/4  First part" in done.stdout and done.stdout.splitlines()[-1] == "mine  done  lr 0.01"
    assert "spoken 0.01" in labkit(lab, "logs", "mine").stdout
    assert RunFolder(lab / "runs" / "mine").read_spec()["values"] == {"lr": 0.01, "mode": "good", "seed": 4}
    failed = labkit(lab, "run", "lesson.ipynb", "-p", "mode=bad")
    assert failed.returncode == 1 and "Choose a good mode." in failed.stderr
    assert "Traceback" not in failed.stderr + failed.stdout
    assert (lab / "runs" / "index.html").is_file()


@pytest.mark.integration
def test_notebooks_run_side_by_side_and_the_page_is_there_from_the_start(lab):
    """Each of the two waits until the other has begun, and looks for the page."""
    notebook = json.loads(json.dumps(NOTEBOOK))
    notebook["cells"][2]["source"] = (
        "import os, time\nfrom labkit.run_folder import current_run\n"
        "one = current_run().path\n(one / 'here').touch()\n"
        "end = time.monotonic() + 60\n"
        "while not (len(list(one.parent.glob('*/here'))) == 2 and (one.parent / 'index.html').exists()):\n"
        "    assert time.monotonic() < end, 'alone'\n    time.sleep(0.05)\n"
        "print('threads', os.environ['OMP_NUM_THREADS'])"
    )
    for name in "ab":
        (lab / f"{name}.ipynb").write_text(json.dumps(notebook))
    done = labkit(lab, "run", "a.ipynb", "b.ipynb", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    for name in "ab":
        (log,) = lab.glob(f"runs/{name}-*/logs/run.log")
        assert f"threads {max(1, usable_cores() // 2)}" in log.read_text()
        run = log.parent.parent.name
        assert re.search(rf"{run}  .*\d s", done.stdout), "a progress line of its own"
        assert re.search(rf"{run}.*done", done.stdout)


@pytest.mark.integration
def test_a_signal_to_the_foreground_command_reaches_the_run(lab):
    notebook = json.loads(json.dumps(NOTEBOOK))
    notebook["cells"][2]["source"] = (
        "from labkit.run_folder import current_run\nimport time\nrun = current_run()\n"
        "(run.path / 'here').touch()\nwhile not run.stop_requested(): time.sleep(.05)\n"
        "from labkit.run_folder import Interrupted\nraise Interrupted('Saved at step 7.')"
    )
    (lab / "waits.ipynb").write_text(json.dumps(notebook))
    arguments = [sys.executable, "-m", "labrun.cli", "run", "waits.ipynb", "--name", "w"]
    command = subprocess.Popen(arguments, cwd=lab, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (lab / "runs" / "w" / "here").exists():
        assert time.monotonic() < deadline and command.poll() is None
        time.sleep(0.05)
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=60)
    assert command.returncode == 75
    assert "Saving, then stopping" in err and "Saved at step 7." in err and "w  interrupted" in out
