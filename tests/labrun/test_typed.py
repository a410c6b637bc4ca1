"""What was typed is what runs: texts, names, options and places, whatever the environment and other users hold."""

import http.server
import os
import subprocess
import threading
import time
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from labkit.run_folder import LabError, RunFolder, to_json
from labrun import doctor, environment, jupyter, state
from labrun.cli import labkit
from labrun.runner import kernel
from labrun.slurm import executor, squeue
from labrun.slurm.executor import SlurmExecutor
from labrun.slurm.site_config import load_site
from labrun.spec import Text, check, declared, freeze, grid_of, make_spec

ROOT = Path(__file__).parents[2]
CELL = 'data_dir: str = ""\nlr: float = 0.1\nanything = None\nsizes: list = []\nlimit: int | str = 0\nseed = 0'


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A folder of runs, and Slurm's commands as scripts: each call leaves its words and its environment in `calls`."""
    monkeypatch.setenv("LABKIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    squeue.forget()
    tool(tmp_path, "sbatch", "echo 12")
    tool(tmp_path, "squeue", f"cat {tmp_path}/jobs 2>/dev/null; true")
    tool(tmp_path, "sacct", "exit 1")
    yield tmp_path
    squeue.forget()


def tool(lab, name, body):
    (lab / name).write_text(f'#!/bin/bash\n(echo "$0 $*"; env) >>{lab}/calls\n{body}\n')
    (lab / name).chmod(0o755)


def notebook(folder, name="lesson", cell=CELL):
    made = nbformat.v4.new_code_cell(cell, metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[made]), folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"


def cell():
    return declared({"cells": [{"source": CELL, "metadata": {"tags": ["parameters"]}}]})


@pytest.mark.parametrize(
    "text",
    [
        "/data/set #2",
        "&anchor",
        "*alias",
        "'quoted'",
        '"x"',
        " a ",
        "a\nb",
        "key: value",
        "- a",
        "~",
        "",
        "1e400",
        "é #",
    ],
)
def test_a_text_arrives_byte_for_byte(text):
    assert check({"data_dir": Text(text)}, cell()) == {"data_dir": text}


def test_a_text_without_a_declared_type_is_no_date_and_loses_nothing():
    for text in ("a #b", "2024-01-01", "12:00:00", "yes", "'x"):
        assert check({"anything": Text(text)}, cell()) == {"anything": text}
    assert check({"limit": Text("5")}, cell()) == {"limit": 5} and check({"limit": Text("5 #")}, cell()) == {
        "limit": "5 #"
    }


@pytest.mark.parametrize(
    "given", [{"lr": Text("1e400")}, {"sizes": Text("[1, -1e999]")}, {"lr": float("nan")}, {"lr": 10**400}]
)
def test_what_is_not_finite_is_refused(given):
    with pytest.raises(LabError, match="must be finite"):
        check(given, cell())


def test_a_grid_keeps_what_stands_in_quotes_and_apostrophes():
    assert grid_of(["data_dir='/a, b #1',/it's,c"]) == {"data_dir": ["/a, b #1", "/it's", "c"]}


def test_a_home_folder_is_expanded_once(lab, monkeypatch):
    monkeypatch.setenv("HOME", str(lab))
    (lab / "set #2").mkdir()
    spec = make_spec(notebook(lab), parameters={"data_dir": Text("~/set #2")})
    assert spec.values["data_dir"] == f"{lab}/set #2"


@pytest.mark.parametrize("name", ["train (1)", "Copy of x", "Übung é", "блокнот", "-rf", ".hidden", "x" * 200])
def test_labkits_own_names_satisfy_its_own_rule(lab, name):
    run = freeze(make_spec(notebook(lab, name)))
    assert RunFolder(run.path).read_spec()["notebook"].endswith(f"{name}.ipynb")
    assert "#SBATCH --job-name=" + run.id + "\n" in SlurmExecutor(load_site("laptop")).script([run])
    swept = CliRunner().invoke(labkit, ["sweep", str(lab / f"{name}.ipynb"), "-g", "seed=0,1", "--dry-run"])
    assert swept.exit_code == 0, swept.exception


@pytest.mark.parametrize("words", [["run", "NOTEBOOK"], ["sweep", "NOTEBOOK", "-g", "seed=0,1"], ["jupyter", "start"]])
@pytest.mark.parametrize("name", ["../x", "a b", "x\n", "/x", ".."])
def test_a_name_that_leads_outside_is_refused_everywhere(lab, words, name):
    words = [str(notebook(lab)) if word == "NOTEBOOK" else word for word in words]
    result = CliRunner().invoke(labkit, [*words, "--name", name, "--site", "laptop"])
    assert isinstance(result.exception, LabError) and "name" in str(result.exception)
    assert {path.name for path in lab.iterdir()} <= {"lesson.ipynb", "sbatch", "squeue", "sacct", "calls"}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("sbatch: error: Invalid --time specification", "Invalid --time specification"),
        (
            "sbatch: error: lua: ask for at most 2 GPUs\nsbatch: error: Batch job submission failed: Unspecified error",
            "lua: ask",
        ),
        ("sbatch: error: Batch job submission failed: Invalid job array specification", "lower max_array"),
    ],
)
def test_a_refusal_is_told_in_slurms_words_and_leaves_nothing(lab, said, told):
    tool(lab, "sbatch", f"echo '{said}' >&2; exit 1")
    words = ["sweep", str(notebook(lab)), "-g", "seed=0,1,2", "--site", "laptop", "--name", "refused"]
    result = CliRunner().invoke(labkit, words)
    assert told in str(result.exception) and str(result.exception).startswith("Slurm refused the job")
    assert not list((lab / "runs").glob("refused*"))


def test_silence_is_no_refusal_and_keeps_the_run(lab):
    tool(
        lab,
        "sbatch",
        "echo 'sbatch: error: Batch job submission failed: Unable to contact slurm controller' >&2; exit 1",
    )
    result = CliRunner().invoke(labkit, ["run", str(notebook(lab)), "--site", "laptop", "--name", "silent"])
    assert "Slurm does not answer" in str(result.exception) and (lab / "runs/silent/job.json").is_file()


ENVIRONMENT = {
    "SBATCH_TIMELIMIT": "1", "SBATCH_MEM_PER_NODE": "1", "SBATCH_EXPORT": "NONE", "SBATCH_ARRAY_INX": "0-9",
    "SQUEUE_PARTITION": "nowhere", "SQUEUE_STATES": "FAILED", "SCANCEL_STATE": "PENDING", "SINFO_FORMAT": "x",
    "SLURM_CLUSTERS": "other", "SLURM_TIME_FORMAT": "relative",
}  # fmt: skip


def test_no_variable_goes_over_what_was_typed_and_the_doctor_names_them(lab, monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    monkeypatch.setenv("http_proxy", "http://proxy:1")
    command = ["run", str(notebook(lab)), "--site", "laptop", "--time", "02:00:00", "--name", "typed"]
    assert CliRunner().invoke(labkit, command).exit_code == 0
    state.observe(RunFolder(lab / "runs/typed"))
    calls = (lab / "calls").read_text()
    assert "sbatch --parsable" in calls and "squeue --noheader" in calls and "SLURM_CONF=/etc/slurm.conf" in calls
    assert not [name for name in ENVIRONMENT if f"\n{name}=" in calls]
    [line] = doctor.check_environment()
    assert all(name in line.found for name in [*ENVIRONMENT, "http_proxy"]) and "SLURM_CONF" not in line.found


def test_an_account_of_the_environment_is_taken_where_none_is_typed(monkeypatch):
    monkeypatch.setenv("SBATCH_ACCOUNT", "project")
    assert load_site("olivia").account == "project" and load_site("olivia", account="typed").account == "typed"


@pytest.mark.parametrize("text", ["time: 12:00:00\n", "account: 12345\n", "partition: 2024-01-01\n"])
def test_a_number_where_a_text_belongs_is_to_be_quoted(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(LabError, match="quote it"):
        load_site(str(tmp_path / "mine.yaml"))


def test_a_server_on_this_machine_is_never_asked_through_a_proxy(monkeypatch):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.headers["Authorization"] == "token abc" else 403)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "127.0.0.0/8")
        port = server.server_port
        assert (jupyter.answers(port, "abc"), jupyter.answers(port, None)) == (200, 403)
        server.shutdown()
    assert jupyter.answers(port, "abc") == 0


# --- what others may have planted


def test_a_folder_is_ones_own_where_nobody_else_can_write(tmp_path):
    folder = tmp_path / "state"
    assert not environment.is_own(folder)
    folder.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "file").touch()
    assert environment.is_own(folder)
    assert not environment.is_own(tmp_path / "link") and not environment.is_own(tmp_path / "file")
    for mode in (0o777, 0o770, 0o722):
        folder.chmod(mode)
        assert not environment.is_own(folder)


def plant(folder, how):
    """Make a folder as another user could: writable by all, a link, or owned by somebody else."""
    (folder.parent / "real").mkdir(mode=0o700)
    if how == "link":
        folder.symlink_to(folder.parent / "real")
    else:
        folder.mkdir()
        folder.chmod(0o777 if how == "writable" else 0o700)
    if how == "foreign":
        if os.geteuid():
            pytest.skip("only root gives a folder away")
        os.chown(folder, 65534, 65534)


@pytest.mark.parametrize("how", ["writable", "link", "foreign"])
def test_a_planted_slurm_conf_is_never_loaded(lab, monkeypatch, how):
    folder = lab / "planted"
    plant(folder, how)
    (folder / "slurmctld.pid").write_text("1")
    (folder / "slurm.conf").write_text("PluginDir=/evil\n")
    monkeypatch.setenv("LABKIT_SLURM_DIR", str(folder))
    monkeypatch.delenv("SLURM_CONF", raising=False)
    squeue.command("squeue")
    assert str(folder / "slurm.conf") not in (lab / "calls").read_text()
    for word in ("start", "status", "stop", "conf"):
        asked = ["bash", ROOT / "scripts/laptop_slurm.sh", word]
        told = subprocess.run(asked, capture_output=True, text=True, timeout=20)
        assert told.returncode == 1 and "nothing in it is trusted" in told.stderr and not told.stdout, word


def test_stop_ends_no_process_of_an_old_number(lab, monkeypatch):
    folder = lab / "state"
    folder.mkdir(mode=0o700)
    with subprocess.Popen(["sleep", "30"]) as other:
        for name in ("slurmctld", "slurmd-node1", "munged"):
            (folder / f"{name}.pid").write_text(str(other.pid))
        monkeypatch.setenv("LABKIT_SLURM_DIR", str(folder))
        subprocess.run(["bash", ROOT / "scripts/laptop_slurm.sh", "stop"], capture_output=True, timeout=30, check=True)
        assert other.poll() is None
        other.kill()


def test_code_sockets_and_servers_come_from_ones_own_folders(lab, monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", str(lab))
    (lab / "real").mkdir()
    (lab / "kernels").symlink_to(lab / "real")  # another's folder, as far as we know
    assert kernel.socket_folder().name.startswith("labkit-kernel-")
    (lab / "runs/.jupyter/planted").mkdir(parents=True)
    (lab / "runs/.jupyter/planted").chmod(0o777)
    (lab / "runs/.jupyter/planted/token").write_text("theirs")
    assert not jupyter.servers()
    (lab / "runs/.code").symlink_to(lab / "real")
    with pytest.raises(LabError, match="not trusted"):
        executor.take_snapshot()


# --- resuming


def ended_run(lab, name, word="cancelled", **site):
    run = freeze(make_spec(notebook(lab), name=name))
    run.write_status(word, executor="slurm", exit_code=1)
    record = {"token": f"t-{name}", "job": "7", "index": None, "site": load_site("laptop", **site).model_dump()}
    (run.path / squeue.JOB_RECORD).write_text(to_json(record))
    return run


def test_a_resume_waits_for_the_job_before_or_says_that_it_still_ends(lab, monkeypatch):
    run = ended_run(lab, "ending")
    monkeypatch.setattr(executor, "ENDING_S", 0.0)
    for word in ("RUNNING", "COMPLETING"):
        (lab / "jobs").write_text(f"7|{word}|None|1:00|node1||labkit:t-ending\n")
        with pytest.raises(LabError, match=r"still ending: ending \(job 7\)"):
            SlurmExecutor(load_site("laptop")).submit([run])
    assert "sbatch" not in (lab / "calls").read_text()
    monkeypatch.setattr(executor, "ENDING_S", 20.0)
    monkeypatch.setattr(time, "sleep", lambda _: (lab / "jobs").write_text(""))  # then it is gone
    assert SlurmExecutor(load_site("laptop")).submit([run]) == ["12"]


def test_a_job_of_the_same_number_is_another_job(lab):
    run = ended_run(lab, "restarted", "running")
    (lab / "jobs").write_text("7|RUNNING|None|1:00|node1||labkit:of-another\n")
    assert squeue.find({job.id: job for job in squeue.query()}, squeue.read_job_record(run)) is None


def test_a_resume_changes_only_what_was_typed(lab):
    ended_run(lab, "far", "failed", partition="long", cpus=2)
    shown = CliRunner().invoke(labkit, ["resume", "far", "--time", "10", "--dry-run"], catch_exceptions=False).output
    assert "--partition=long" in shown and "--cpus-per-task=2" in shown and "--time=10\n" in shown
    assert "--gpus" not in shown
    elsewhere = CliRunner().invoke(labkit, ["resume", "far", "--site", "byu", "--dry-run"]).output
    assert "--partition" not in elsewhere and "--gres=gpu" in elsewhere


def test_a_run_starts_after_one_that_can_become_done(lab):
    words = ["run", str(notebook(lab)), "--site", "laptop", "--name", "child", "--after"]
    for name, word in {"failed": "failed", "waits": "queued", "ready": "done"}.items():
        ended_run(lab, name, word)
    (lab / "jobs").write_text("7|PENDING|None|1:00|||labkit:t-waits\n")
    for name, told in {"failed": "failed is failed, so nothing", "absent": "Unknown run"}.items():
        refused = CliRunner().invoke(labkit, [*words, name])
        assert told in str(refused.exception) and not (lab / "runs/child").exists()
    shown = CliRunner().invoke(labkit, [*words, "waits", "--dry-run"], catch_exceptions=False).output
    assert "--dependency=afterok:7\n" in shown
    assert "--dependency" not in CliRunner().invoke(labkit, [*words, "ready", "--dry-run"]).output


def test_status_needs_no_right_to_write(lab, monkeypatch):
    run = ended_run(lab, "seen", "running")
    (lab / "jobs").write_text("7|NODE_FAIL|None|0:00|node1||labkit:t-seen\n")

    def full(path, *_):
        raise LabError(f"Cannot write {path}")

    monkeypatch.setattr(squeue, "atomic_write", full)
    assert state.observe(run)["cause"] == "node failed"


def test_a_sweep_on_a_cluster_has_no_throttle_unless_asked(lab):
    words = ["sweep", str(notebook(lab)), "-g", "seed=0,1,2", "--site", "laptop", "--dry-run"]
    assert "--array=0-2\n" in CliRunner().invoke(labkit, words).output
    assert "--array=0-2%1\n" in CliRunner().invoke(labkit, [*words, "--jobs", "1"]).output


def test_a_line_of_a_sites_setup_that_fails_ends_the_job(lab):
    site = load_site("laptop", modules=["python/9"], setup=["true"])
    run = freeze(make_spec(notebook(lab), name="setup"))
    (lab / "job.sh").write_text("module() { return 1; }\n" + SlurmExecutor(site).script([run]))
    done = subprocess.run(["bash", lab / "job.sh"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "this failed: module load python/9" in done.stdout


def test_a_job_that_was_sent_without_its_variables_says_so():
    hidden = os.environ | {"SLURM_EXPORT_ENV": "NONE"}
    command = ["bash", ROOT / "scripts/sbatch_one.sh", "--mode=scratch"]
    told = subprocess.run(command, capture_output=True, text=True, env=hidden, timeout=20)
    assert told.returncode == 2 and "hides MAX_STEPS, SEED" in told.stderr
