"""The runner tells the truth: every way in which a run can end, each provoked with a real kernel."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest

from labkit.run_folder import RunFolder, is_alive, process_identity
from labrun import state
from labrun.runner.outcome import EXIT_CODES, dead_kernel, failed_cell
from labrun.runner.output import coalesce_streams

pytestmark = pytest.mark.integration

KILL = "import os, time\nprint('last words', flush=True)\ntime.sleep(.5)\nos.kill(os.getpid(), 9)"
CHATTY = """import sys, time
for n in range(200):
    sys.stdout.write(f'\\rstep {n}'); sys.stdout.flush()
print()
from tqdm.auto import tqdm
for n in tqdm(range(3), desc='bar'): pass
assert 'notebook' not in tqdm.__mro__[1].__module__"""
ENVIRONMENT = """import os, sys, json
from labkit.run_folder import current_run
run = current_run()
run.summarize(main='lr', lr=lr, width=width, seed=seed, cwd=os.getcwd(), python=sys.executable,
              run=run.id, token=os.environ.get('HF_TOKEN'), jupyter=os.environ['JUPYTER_RUNTIME_DIR'])
from ipykernel.kernelapp import IPKernelApp
run.summarize(transport=IPKernelApp.instance().transport)"""


@pytest.fixture(scope="module")
def endings(lab):
    """Every ending at once, in one queue: {name: run}."""
    runs = [
        lab.freeze("done", "## Work", ENVIRONMENT, CHATTY, parameters={"lr": 1, "width": 3}, seed=7),
        lab.freeze("killed", "1", "## Deep in it", KILL, "print('never')", "# End", "print('never')"),
        lab.freeze("slow", "import time\ntime.sleep(600)", "1", timeout_s=2),
        lab.freeze("raises", "raise KeyError('wrong')", "1"),
        lab.freeze(
            "told",
            "from labkit.run_folder import unknown_name\nraise unknown_name('dataset', 'shaps', ['shapes', 'digits'])",
            "1",
        ),
        lab.freeze("shell", "name = 'out'", "!echo {name}put", "!echo before; exit 3", "1"),
        lab.freeze("saved", "from labkit.run_folder import Interrupted\nraise Interrupted('saved')", "1"),
        lab.freeze("leaves", "import os\nos._exit(5)", "1"),
        lab.freeze("may_fail", "1 / 0", "1"),
        lab.freeze("exits", "import sys\nsys.exit(0)", "1 / 0"),
        lab.freeze("quits", "quit()", "1 / 0"),
        lab.freeze("exits_3", "import sys\nsys.exit(3)", "1"),
        lab.freeze("utf16", "print('grüß')"),
    ]
    may_fail = next(run for run in runs if run.id == "may_fail")
    failing = nbformat.read(may_fail.source, as_version=4)
    failing.cells[2].metadata["tags"] = ["raises-exception"]
    nbformat.write(failing, may_fail.source)
    runs[-1].source.write_text(runs[-1].source.read_text(), encoding="utf-16")
    lab.go(runs, jobs=3)
    return {run.id: run for run in runs}


def book(run):
    notebook = nbformat.read(run.notebook, as_version=4)
    nbformat.validate(notebook)
    return notebook


def statuses(run):
    return [c.metadata.papermill["status"] for c in book(run).cells if c.cell_type == "code"]


@pytest.mark.parametrize(
    ("name", "ended", "code"),
    [
        ("done", "done", 0),
        ("killed", "died", 70),
        ("slow", "timeout", 71),
        ("raises", "failed", 1),
        ("told", "failed", 1),
        ("shell", "failed", 1),
        ("saved", "interrupted", 75),
        ("leaves", "died", 70),
        ("may_fail", "done", 0),
        ("exits", "done", 0),
        ("quits", "done", 0),
        ("exits_3", "failed", 1),
        ("utf16", "done", 0),
    ],
)
def test_each_ending_has_its_state_and_exit_code(endings, name, ended, code):
    status = endings[name].read_status()
    assert (status["state"], status["exit_code"]) == (ended, code)
    assert book(endings[name]).metadata.labkit["state"] == ended
    assert endings[name].html.is_file()


def test_a_killed_kernel_leaves_a_notebook_that_says_which_cell_died_and_which_never_ran(endings):
    run = endings["killed"]
    assert statuses(run) == ["completed", "completed", "failed", "never-run", "never-run"]
    assert book(run).metadata.labkit["never_run"] == [6, 8]
    dead = book(run).cells[4]
    assert "last words" in dead.outputs[0].text
    assert "signal 9" in dead.outputs[-1].evalue and "memory" in run.read_status()["message"]
    assert (run.read_status()["cell"], run.read_status()["heading"]) == (5, "Deep in it")
    assert "Never run: cell 6, 8" in run.html.read_text()


def test_a_cell_that_takes_too_long_is_not_called_completed(endings):
    assert statuses(endings["slow"]) == ["completed", "failed", "never-run"]
    assert "Cell 3 took longer than 2 s" in endings["slow"].read_status()["message"]


def test_an_exception_is_told_with_its_name_and_a_lab_error_speaks_for_itself(endings):
    assert endings["raises"].read_status()["message"] == "KeyError: 'wrong'"
    assert endings["told"].read_status()["message"].startswith("Unknown dataset 'shaps'. Did you")
    assert statuses(endings["told"]) == ["completed", "failed", "never-run"]


def test_a_failing_shell_command_fails_the_run(endings):
    run = endings["shell"]
    assert statuses(run) == ["completed", "completed", "completed", "failed", "never-run"]
    assert "exit code 3" in run.read_status()["message"]
    assert book(run).cells[3].outputs[0].text.strip() == "output"


def test_a_cell_that_may_fail_fails_nothing(endings):
    assert statuses(endings["may_fail"]) == ["completed", "completed", "completed"]
    assert len(book(endings["may_fail"]).cells) == 4


def test_a_cell_may_end_the_notebook_early(endings):
    assert statuses(endings["exits"]) == ["completed", "completed", "never-run"]
    assert endings["exits"].read_status()["message"] == "Cell 3 ended the notebook early (sys.exit)."


def test_a_notebook_of_any_encoding_is_executed(endings):
    assert book(endings["utf16"]).cells[2].outputs[0].text == "gr\u00fc\u00df\n"


def test_a_kernel_that_leaves_by_itself_is_dead_with_its_code(endings):
    assert "exit code 5" in endings["leaves"].read_status()["message"]


def test_parameters_arrive_typed_and_the_kernel_is_this_python_in_the_repository(endings, lab):
    found = endings["done"].read_summary()
    assert (found["lr"], found["width"], found["seed"]) == (1.0, 3, 7)
    assert found["python"] == sys.executable and found["run"] == "done"
    assert os.path.isdir(os.path.join(found["cwd"], "labkit"))
    assert found["transport"] == "ipc"
    assert ".cache" in found["jupyter"] or "LABKIT_CACHE" in os.environ


def test_progress_bars_leave_one_line_in_log_and_notebook(endings):
    run = endings["done"]
    log = run.log_file.read_text()
    assert "step 199" in log and "step 198" not in log
    text = "".join(output.text for output in book(run).cells[-1].outputs)
    assert text.count("step") == 1 and "bar: 100%" in text
    assert "widgets" not in book(run).metadata


def test_the_environment_is_on_record_and_no_token_is(endings):
    known = json.loads(endings["done"].env_file.read_text())
    assert known["torch"] and known["seed"] == 7 and known["cores"] >= 1 and "papermill" in known["packages"]
    assert set(known["git"] or {"commit": 1, "dirty": 1}) == {"commit", "dirty"}
    assert not [name for name in known if "token" in name.lower() or name == "environ"]


def test_a_damaged_specification_is_exit_code_2(lab):
    run = lab.freeze("damaged", "1")
    run.spec_file.write_text("{")
    done = subprocess.run([sys.executable, "-m", "labrun.runner.run", str(run.path)], capture_output=True, text=True)
    assert (done.returncode, run.read_status()["state"]) == (2, "failed")
    assert "spec.json" in done.stderr and "Traceback" not in done.stderr


def test_term_sets_the_flag_and_a_training_that_looks_at_it_saves(lab):
    run = lab.freeze(
        "polls",
        "from labkit.run_folder import current_run\nimport time\n"
        "from labkit.run_folder import Interrupted\nrun = current_run()\n"
        "(run.path / 'here').touch()\n"
        "while not run.stop_requested(): time.sleep(.05)\nraise Interrupted('saved')",
    )
    queue = lab.executor.submit([run])
    lab.until(lambda: (run.path / "here").exists())
    os.kill(run.read_status()["pid"], signal.SIGTERM)
    assert queue.wait(timeout=60) == 75
    assert state.observe(run)["state"] == "interrupted"


def test_usr1_stops_between_two_cells_without_a_deadline(lab):
    run = lab.freeze(
        "waits",
        "from labkit.run_folder import current_run\nimport time\nrun = current_run()\n"
        "(run.path / 'here').touch()\nwhile not run.stop_requested(): time.sleep(.05)",
        "raise SystemError('must not be reached')",
    )
    queue = lab.executor.submit([run])
    lab.until(lambda: (run.path / "here").exists())
    os.kill(run.read_status()["pid"], signal.SIGUSR1)
    assert queue.wait(timeout=60) == 75
    assert statuses(run) == ["completed", "completed", "never-run"]


def test_a_kernel_that_does_not_stop_is_ended_with_all_it_started_and_that_is_said(lab, monkeypatch):
    monkeypatch.setenv("LABKIT_GRACE_S", "1")
    run = lab.freeze(
        "deaf",
        "import subprocess, time\nfrom labkit.run_folder import current_run\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "(current_run().path / 'child').write_text(str(child.pid))\ntime.sleep(600)",
    )
    queue = lab.executor.submit([run])
    lab.until(lambda: (run.path / "child").exists() and (run.path / "child").read_text())
    child = process_identity(int((run.path / "child").read_text()))
    os.kill(run.read_status()["pid"], signal.SIGTERM)
    assert queue.wait(timeout=60) == 75, run.log_file.read_text()
    assert "did not stop within 1 s" in run.read_status()["message"]
    assert "a resume starts again" in run.read_status()["message"]
    lab.until(lambda: not is_alive(child))


def test_cancelling_is_no_interruption_and_a_second_term_needs_no_grace(lab):
    run = lab.freeze(
        "cancelled",
        "from labkit.run_folder import current_run\nimport time\n"
        "(current_run().path / 'here').touch()\ntime.sleep(600)",
    )
    queue = lab.executor.submit([run])
    lab.until(lambda: (run.path / "here").exists())
    started = time.monotonic()
    (run.checkpoints / "fit.pt").touch()
    lab.executor.cancel(run, now=True)
    assert queue.wait(timeout=60) == EXIT_CODES["cancelled"]
    assert state.observe(run)["state"] == "cancelled" and time.monotonic() - started < 15
    assert run.read_status()["message"].startswith("Ended at once; a resume goes on from its last")


def test_a_runner_killed_in_the_middle_leaves_a_valid_notebook_and_is_shown_as_died(lab):
    run = lab.freeze(
        "orphan",
        "print('first')",
        "from labkit.run_folder import current_run\nimport time, os\n"
        "(current_run().path / 'kernel').write_text(str(os.getpid()))\n"
        "time.sleep(600)",
        "1",
    )
    queue = lab.executor.submit([run])
    lab.until(lambda: (run.path / "kernel").exists() and (run.path / "kernel").read_text())
    kernel = process_identity(int((run.path / "kernel").read_text()))
    os.kill(run.read_status()["pid"], signal.SIGKILL)
    queue.wait(timeout=30)
    assert book(run).cells[2].outputs[0].text == "first\n"
    assert statuses(run) == ["completed", "completed", "running", "pending"]
    assert state.observe(run)["state"] == "died"
    lab.until(lambda: not is_alive(kernel))


def test_a_full_disk_is_one_sentence_and_the_last_good_notebook_stays(lab):
    """A limit on file sizes is the disk that is full; the kernel's output makes the notebook too large."""
    run = lab.freeze("full", "print('small')", "print('x' * 400_000)", "1")
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "from labrun.runner.run import main; sys.exit(main([sys.argv[1]]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run.path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "is full" in done.stderr and "Traceback" not in done.stderr
    assert "is full" in run.read_status()["message"]
    assert book(run).cells[2].outputs[0].text == "small\n"


def test_outputs_settle_as_a_terminal_would_leave_them():
    def stream(name, text):
        return nbformat.v4.new_output("stream", name=name, text=text)

    picture = nbformat.v4.new_output("display_data", {"text/plain": "p"})
    outputs = [
        stream("stderr", "1%\r50%"),
        stream("stdout", "a\n"),
        stream("stderr", "\r99%\r\n"),
        picture,
        stream("stdout", "b"),
        stream("stdout", "c"),
    ]
    assert [(o.get("name"), o.get("text")) for o in coalesce_streams(outputs)] == [
        ("stdout", "a\n"),
        ("stderr", "99%\n"),
        (None, None),
        ("stdout", "bc"),
    ]


def test_a_very_long_line_settles_in_no_time():
    started = time.monotonic()
    coalesce_streams([nbformat.v4.new_output("stream", name="stdout", text="x" * 2_000_000)])
    assert time.monotonic() - started < 5


def test_an_error_while_cells_run_is_told_without_color_codes():
    assert failed_cell("LabError", "\x1b[31mno\x1b[0m", 3).message == "no"
    assert failed_cell("ValueError", "", 3).message == "ValueError"
    assert "before the first cell" in dead_kernel(None, None, RuntimeError("Kernel died")).message
    assert "SIGSEGV" in dead_kernel(-11, 2, RuntimeError()).message


def test_runs_of_a_notebook_that_is_no_notebook_are_refused(lab):
    run = lab.freeze("torn", "1")
    run.source.write_text("{ not json")
    done = subprocess.run([sys.executable, "-m", "labrun.runner.run", str(run.path)], capture_output=True, text=True)
    assert done.returncode == 2 and "no notebook" in done.stderr and "Traceback" not in done.stderr
    assert RunFolder(run.path).read_status()["state"] == "failed"
