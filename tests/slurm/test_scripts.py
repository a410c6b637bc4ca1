"""scripts/sbatch_one.sh and sbatch_all.sh: by sbatch, inside salloc and in plain bash, with one budget."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from labkit.run_folder import RunFolder
from labrun.spec import registry

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PARAMETERS = """preset = "tiny"
dataset = "shapes"
data_dir = ""
mode = "scratch"
max_steps = 0
seed = 0"""
WORK = """import os, time
from labkit.run_folder import Interrupted
from labkit.run_folder import current_run
run = current_run()
(run.path / 'here').touch()
while (run.path / 'attempts' / '1').exists() and seed == 99 and not (run.path / 'attempts' / '2').exists():
    time.sleep(.05)
    if run.stop_requested(): raise Interrupted('saved')
if 'SLURM_ARRAY_TASK_ID' in os.environ: time.sleep(1)
run.record_timings(main='ended', started=run.read_status()['started'], ended=time.time())
if seed == 13: raise ValueError('bad luck')
run.summarize(main='steps', steps=max_steps, mode=mode, seed=seed, data=os.environ.get('LABKIT_DATA'),
              data_dir=data_dir)"""


@pytest.fixture(scope="module")
def course(lab, tmp_path_factory):
    """A course in a folder with a space, whose notebook `mode` is quick; `course(words)` runs there."""
    root = tmp_path_factory.mktemp("scripts") / "my course"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    (root / "labrun" / "slurm").mkdir(parents=True)
    shutil.copy(ROOT / "labrun/slurm/requeue.sh", root / "labrun/slurm")
    (root / "notebooks").mkdir()
    cells = [nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}), nbformat.v4.new_code_cell(WORK)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), root / "notebooks" / "mode.ipynb")
    environment = os.environ | {
        "LABKIT_PYTHON": sys.executable,
        "OUTPUT_DIR": "out put",
        "SLURM_CONF": str(lab.cluster.folder / "slurm.conf"),
    }
    environment.pop("LABKIT_RUNS")

    def go(*words, **more):
        return subprocess.run(words, cwd=root, env=environment | more, capture_output=True, text=True, timeout=200)

    go.root, go.environment, go.lab = root, environment, lab
    return go


def result(course, name):
    return RunFolder(course.root / "out put" / name)


def logs(course):
    return {path.name: path.read_text() for path in (course.root / "slurm_logs").glob("*.out")}


def test_one_mode_in_plain_bash_and_inside_salloc(course):
    plain = course(
        "scripts/sbatch_one.sh", "--mode=scratch", "--run-name", "plain", MAX_STEPS="7", DATA_DIR="/some/data"
    )
    assert plain.returncode == 0, plain.stdout + plain.stderr
    found = result(course, "plain").read_summary()
    assert (found["steps"], found["mode"], found["data"]) == (7, "scratch", "/some/data")
    inside = course("salloc", "--quiet", "scripts/sbatch_one.sh", "--mode", "scratch", "--run-name=inside")
    assert inside.returncode == 0, inside.stdout + inside.stderr
    assert result(course, "inside").read_status()["slurm_job"].isdigit()


def test_a_name_that_is_taken_is_refused_and_a_second_run_of_a_mode_gets_its_own(course):
    failed = course("scripts/sbatch_one.sh", "--mode=scratch", "--run-name", "taken", SEED="13")
    assert failed.returncode == 1, failed.stdout + failed.stderr
    again = course("scripts/sbatch_one.sh", "--mode=pretrained", "--run-name", "taken", MAX_STEPS="7")
    assert again.returncode == 2 and "There is a run called" in again.stderr and again.stderr.count("\n") == 1
    assert result(course, "taken").read_status()["attempt"] == 1
    both = "for steps in 1 2; do MAX_STEPS=$steps scripts/sbatch_one.sh --mode=supervised_scratch; done"
    inside = course("salloc", "--quiet", "bash", "-c", both)
    assert inside.returncode == 0, inside.stdout + inside.stderr
    first, second = sorted((course.root / "out put").glob("supervised_scratch-*"))
    assert second.name == f"{first.name}-2"
    assert [RunFolder(one).read_summary()["steps"] for one in (first, second)] == [1, 2]


def test_a_set_at_a_relative_path_is_found_from_where_one_types(course):
    (course.root / "scripts" / "my images").mkdir()
    environment = course.environment | {"DATASET": "folder", "DATA_DIR": "my images", "OUTPUT_DIR": "../out put"}
    for script, name in (("sbatch_one.sh", "mine"), ("sbatch_all.sh", "ours")):
        words = [f"./{script}", "--mode=scratch" if name == "mine" else "--modes=scratch", "--run-name", name]
        done = subprocess.run(
            words, cwd=course.root / "scripts", env=environment, capture_output=True, text=True, timeout=200
        )
        assert done.returncode == 0, done.stdout + done.stderr
    for run in (result(course, "mine"), result(course, "ours-scratch")):
        course.lab.until(lambda run=run: run.read_status().get("state") == "done", timeout_s=60)
        assert run.read_summary()["data_dir"] == str(course.root / "scripts" / "my images")


@pytest.mark.parametrize("name", ["sent", ""])
def test_one_mode_by_sbatch_writes_its_log_saves_when_told_and_goes_on(course, lab, name):
    sent = course(
        "sbatch",
        "--parsable",
        "--job-name",
        "gone_on",
        "./scripts/sbatch_one.sh",
        "--mode=scratch",
        *(["--run-name", name] if name else []),
        SEED="99",
    )
    assert sent.returncode == 0, sent.stderr
    job = sent.stdout.strip()
    run = result(course, name or f"scratch-{job}")
    lab.until((run.path / "here").exists)
    lab.cluster.ask("scancel", "--batch", "--signal=USR1", job)
    lab.until(lambda: run.read_status().get("state") == "done", timeout_s=60)
    assert run.read_status()["attempt"] == 2
    assert "the job is queued again" in logs(course)[f"gone_on_{job}.out"]


def test_all_eight_modes_are_one_array_with_one_budget(course, lab):
    sent = course("scripts/sbatch_all.sh", "--at-once", "2", "--run-name", "all", "--time=00:10:00", MAX_STEPS="5")
    assert sent.returncode == 0 and "Submitted batch job" in sent.stdout, sent.stdout + sent.stderr
    modes = list(registry("labkit.simclr:MODES"))
    assert len(modes) == 8
    runs = [result(course, f"all-{mode}") for mode in modes]
    for run in runs:
        lab.until(lambda run=run: run.read_status().get("state") == "done", timeout_s=120)
    assert [run.read_summary()["mode"] for run in runs] == list(modes)
    assert {run.read_summary()["steps"] for run in runs} == {5}
    times = [run.read_timings() for run in runs]
    at_once = [sum(b["started"] <= a["started"] < b["ended"] for b in times) for a in times]
    assert max(at_once) == 2, "two at a time, and they did overlap"


def test_without_slurm_all_modes_run_here_one_after_the_other(course, tmp_path):
    for tool in ["bash", "dirname", "mkdir", "date", "grep", "env", "cat"]:
        (tmp_path / tool).symlink_to(shutil.which(tool))
    done = course(
        "bash", "scripts/sbatch_all.sh", "--modes=scratch,simclr_scratch", "--run-name", "here", PATH=str(tmp_path)
    )
    assert done.returncode == 0 and "no sbatch here" in done.stdout, done.stdout + done.stderr
    assert result(course, "here-simclr_scratch").read_summary()["mode"] == "simclr_scratch"


def test_an_array_that_would_lose_half_its_tasks_is_not_queued_and_what_to_do_is_told(course):
    refused = course("scripts/sbatch_all.sh", PRESET="full")
    assert refused.returncode == 2 and "Submitted" not in refused.stdout
    assert all(way in refused.stderr for way in ("PRESET=dinov3", "MODEL_PATH=", "--modes="))
    (course.root / "out put" / "old-scratch").mkdir(parents=True)
    taken = course("scripts/sbatch_all.sh", "--modes=scratch", "--run-name", "old")
    assert taken.returncode == 2 and "there is a run old-scratch already" in taken.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["scripts/sbatch_one.sh"], "name the mode"),
        (["scripts/sbatch_one.sh", "--mod=x"], "unknown option --mod=x"),
        (["scripts/sbatch_one.sh", "--mode=scratsh"], "Unknown mode 'scratsh'. Did you mean scratch"),
        (["scripts/sbatch_all.sh", "--at-once", "many"], "--at-once needs a number"),
        (["scripts/sbatch_all.sh", "now"], "unknown option now"),
        (["scripts/sbatch_all.sh", "--modes=scratch,scratsh"], "Unknown mode 'scratsh'"),
        (["env", "DATASET=folder", "scripts/sbatch_all.sh"], "DATASET=folder needs DATA_DIR=PATH"),
        (["env", "MAX_STEPS=-1", "scripts/sbatch_all.sh"], "max_steps must be 1 or more"),
    ],
)
def test_a_wrong_wish_is_one_sentence(course, words, said):
    done = course(*words)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr
