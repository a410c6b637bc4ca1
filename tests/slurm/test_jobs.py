"""Notebooks as real Slurm jobs: one, an array, a kernel that dies, cancelling, a job sent from a job."""

import json
import os

import nbformat
import pytest

from labrun import doctor

pytestmark = pytest.mark.integration

REPORT = """import os
import labkit
from labkit.run_folder import current_run
run = current_run()
run.summarize(main='lr', lr=lr, seed=seed, job=os.environ['SLURM_JOB_ID'], node=os.environ['SLURMD_NODENAME'],
              threads=os.environ['OMP_NUM_THREADS'], home=os.environ['HOME'], code=labkit.__file__)"""
TIMED = """import time
from labkit.run_folder import current_run
run = current_run()
started = time.time()
time.sleep(1)
assert lr != 0.3 or (run.path / 'repaired').exists(), 'the third is broken'
run.record_timings(main='ended', started=started, ended=time.time())"""
WAITS = """import time
from labkit.run_folder import Interrupted
from labkit.run_folder import current_run
run = current_run()
(run.path / 'here').touch()
while not run.stop_requested(): time.sleep(.05)
raise Interrupted('saved')"""
NESTED = """import os, subprocess, sys
os.environ['SLURM_MEM_PER_CPU'] = '123456789'       # what a surrounding job may leave: would be refused
words = ['run', NOTEBOOK, '--site', 'laptop', '--name', 'inner']
done = subprocess.run([sys.executable, '-m', 'labrun.cli', *words], capture_output=True, text=True)
assert done.returncode == 0, done.stderr"""


def test_one_notebook_is_one_job_and_its_home_may_be_read_only(lab):
    sent = lab.labkit(
        "run",
        str(lab.notebook("one", REPORT)),
        "--site",
        "laptop",
        "--name",
        "one",
        "--seed",
        "7",
        "-p",
        "lr=1",
        "--cpus",
        "2",
        env=os.environ | {"HOME": "/proc/nowhere"},
    )
    assert sent.returncode == 0 and "one  job" in sent.stdout, sent.stderr
    run = lab.run("one")
    assert lab.ended(run) == ["done"], lab.picture(run)
    found = run.read_summary()
    assert (found["lr"], found["seed"], found["threads"], found["home"]) == (1.0, 7, "2", "/proc/nowhere")
    assert "/runs/.code/" in found["code"]  # the library as it was at submission
    assert found["node"] in ("node1", "node2") and f"job {found['job']}\n" in sent.stdout
    assert "[cell 3/3]" in run.log_file.read_text()


def test_an_array_keeps_to_its_limit_and_failed_sends_again_only_what_failed(lab):
    sent = lab.labkit(
        "sweep",
        str(lab.notebook("many", TIMED)),
        "-g",
        "lr=0.1,0.2,0.3,0.4,0.5",
        "--site",
        "laptop",
        "--jobs",
        "2",
        "--name",
        "many",
        "--collect",
    )
    assert sent.returncode == 0, sent.stderr
    runs = [lab.run(f"many-{number}") for number in range(1, 6)]
    assert lab.ended(*runs) == ["done", "done", "failed", "done", "done"], lab.picture(runs[2])
    assert "the third is broken" in runs[2].read_status()["message"]
    times = [run.read_timings() for run in runs if run.read_timings()]
    starts = [(t["started"], 1) for t in times] + [(t["ended"], -1) for t in times]
    running = [sum(step for _, step in sorted(starts)[:n]) for n in range(1, len(starts) + 1)]
    assert max(running) <= 2
    lab.until(lambda: (lab.folder / "runs/index.html").exists())  # the collect job came after them

    attempts = [run.read_status()["attempt"] for run in runs]
    (runs[2].path / "repaired").touch()
    again = lab.labkit("sweep", "--failed", "many")
    assert again.returncode == 0 and again.stdout.count("  job ") == 1 and "many-3  job" in again.stdout
    assert lab.ended(runs[2]) == ["done"]
    assert [run.read_status()["attempt"] for run in runs] == [1, 1, 2, 1, 1] and attempts == [1] * 5
    assert "nothing to resume: all 5 are done" in lab.labkit("sweep", "--failed", "many").stderr


def test_a_killed_kernel_is_told_as_that_and_the_notebook_marks_the_cell(lab):
    run = lab.freeze("killed", "import os\nprint('last words', flush=True)\nos.kill(os.getpid(), 9)", "1")
    lab.executor().submit([run])
    assert lab.ended(run) == ["died"], lab.picture(run)
    assert "The kernel died in cell 2" in lab.state(run)["message"]
    statuses = [cell.metadata.papermill["status"] for cell in nbformat.read(run.notebook, as_version=4).cells]
    assert statuses == ["completed", "failed", "never-run"]


def test_cancelling_ends_a_waiting_and_a_running_job_and_neither_comes_back(lab):
    running = lab.freeze("running", WAITS)
    waiting = lab.freeze("waiting", WAITS)
    lab.executor().submit([running])
    lab.executor(cpus=2).submit([waiting], after=["running"])
    lab.until((running.path / "here").exists, run=running)
    seen = {row["id"]: row for row in json.loads(lab.labkit("status", "--json").stdout)}
    assert seen["running"]["state"] == "running" and ":" in seen["running"]["time_left"]
    assert seen["waiting"]["state"] == "queued" and "waits for another job" in seen["waiting"]["message"]

    assert "was waiting and is cancelled" in lab.labkit("cancel", "waiting").stdout
    assert "will save and stop" in lab.labkit("cancel", "running").stdout
    assert lab.ended(running, waiting) == ["cancelled", "cancelled"], lab.picture(running)
    lab.until(lambda: not lab.cluster.ask("squeue", "--noheader", "--name=running,waiting"))
    assert running.read_status()["attempt"] == 1 and "attempt" not in waiting.read_status()


def test_scancel_without_labkit_does_not_bring_the_job_back(lab):
    run = lab.freeze("scancelled", WAITS)
    [job] = lab.executor().submit([run])
    lab.until((run.path / "here").exists, run=run)
    lab.cluster.ask("scancel", job)
    lab.until(lambda: not lab.cluster.ask("squeue", "--noheader", f"--jobs={job}"), run=run)
    assert "Restarts=0" in lab.cluster.ask("scontrol", "show", "job", job)
    assert lab.state(run)["state"] in ("cancelled", "interrupted") and run.read_status()["attempt"] == 1


def test_a_job_may_be_sent_from_inside_a_job(lab):
    inner = lab.notebook("inner", REPORT)
    outer = lab.freeze("outer", NESTED.replace("NOTEBOOK", repr(str(inner))))
    lab.executor().submit([outer])
    assert lab.ended(outer) == ["done"], lab.picture(outer)
    assert lab.ended(lab.run("inner")) == ["done"], lab.picture(lab.run("inner"))


def test_a_dry_run_prints_the_script_and_sends_nothing(lab):
    shown = lab.labkit("run", str(lab.notebook("dry", REPORT)), "--site", "byu", "--dry-run", "--name", "dry")
    assert shown.returncode == 0 and "#SBATCH --gres=gpu:a100:1" in shown.stdout
    assert not lab.run("dry").path.exists() and not lab.cluster.ask("squeue", "--noheader", "--name=dry")


def test_the_doctor_counts_each_node_once(lab):
    assert next(doctor.check_slurm()).found.endswith(", 2 nodes")  # both are in two partitions


def test_a_job_that_slurm_refuses_is_one_sentence_and_leaves_nothing(lab):
    words = ["run", str(lab.notebook("greedy", REPORT)), "--site", "laptop", "--name", "greedy"]
    for option, why in {"--partition=nowhere": "invalid partition", "--account=": "one word"}.items():
        sent = lab.labkit(*words, *option.split("="))
        assert sent.returncode == 2 and why in sent.stderr.lower() and not lab.run("greedy").path.exists()
    shown = {"SBATCH_TIMELIMIT": "1", "SBATCH_PARTITION": "nowhere", "SBATCH_EXPORT": "NONE", "SQUEUE_STATES": "FAILED"}
    assert lab.labkit(*words, env=os.environ | shown).returncode == 0  # the same name, whatever the environment holds
    assert lab.ended(lab.run("greedy")) == ["done"]


def test_a_job_that_takes_too_much_memory_is_told_as_that(lab):
    run = lab.freeze(
        "greedy_memory", "x = bytearray(700_000_000)\nx[::4096] = b'1' * len(x[::4096])\nimport time\ntime.sleep(60)"
    )
    lab.executor(memory="300M").submit([run])
    lab.until(lambda: lab.state(run).get("cause"), run=run)
    assert (lab.state(run)["state"], lab.state(run)["cause"]) == ("died", "out of memory")
    assert "--mem" in lab.state(run)["message"]
