"""The two commands of the README: what they say, and the one sentence when they cannot go on."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def bash(command: str, *, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    env = {**os.environ, **environment}
    return subprocess.run(["bash", "-c", command], cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


def one_sentence(result: subprocess.CompletedProcess) -> str:
    lines = [line for line in result.stderr.splitlines() if "STOPPED" in line]
    assert result.returncode != 0 and len(lines) == 1, result.stdout + result.stderr
    return lines[0]


@pytest.fixture
def copy(tmp_path):
    """A repository without .venv: only what the set-up reads."""
    root = tmp_path / "a copy with spaces"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    (root / "labrun" / "slurm").mkdir(parents=True)
    shutil.copy(ROOT / "labrun/slurm/requeue.sh", root / "labrun/slurm")
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


@pytest.mark.parametrize("script", ["sbatch_one.sh", "train_ddp.sh"])
def test_a_fresh_clone_has_the_folder_that_slurm_writes_into(script):
    folder = re.search(r"^#SBATCH --output=(\S+)/", (ROOT / "scripts" / script).read_text(), re.M)[1]
    assert bash(f"git ls-files {folder}").stdout, f"without {folder}/ a job dies without a word"
    assert bash(f"git check-ignore {folder}/x.out").stdout, "what jobs say is not committed"


@pytest.mark.parametrize("script", ["run_lab.sh", "run_tests.sh", "laptop_slurm.sh", "salloc_jupyter.sh"])
def test_help_shows_usage_and_an_example(script):
    result = bash(f"bash scripts/{script} --help")
    assert result.returncode == 0 and f"bash scripts/{script}" in result.stdout and "Usage" in result.stdout


def test_the_help_of_the_laptops_slurm_names_every_word_that_it_takes():
    usage = bash("bash scripts/laptop_slurm.sh --help").stdout.splitlines()
    assert usage[0].endswith("start | status | stop | conf")
    assert any(line.startswith("  conf ") for line in usage)


@pytest.fixture
def fake(tmp_path):
    """`fake(name, body)`: a program that does something else than the real one; `fake.path` is a PATH."""

    def make(name, body):
        program = tmp_path / "fakes" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/bash\n{body}\n")
        program.chmod(0o755)
        return str(program)

    make.path = f"{tmp_path / 'fakes'}:{os.environ['PATH']}"
    return make


def test_relative_paths_of_a_training_on_several_nodes_count_from_where_one_types(copy, fake, tmp_path):
    python = fake("python", 'echo "run=$LABKIT_RUN_DIR"; echo "data=$LABKIT_DATA"')
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_NODELIST": "n", "PATH": fake.path}
    paths = {"OUTPUT_DIR": "my runs", "DATA_DIR": "sets", "LABKIT_PYTHON": python}
    done = bash(f"bash '{copy}/scripts/train_ddp.sh'", cwd=tmp_path, **job, **paths)
    assert done.returncode == 0, done.stderr
    assert f"run={tmp_path}/my runs/ddp-7\ndata={tmp_path}/sets\n" in done.stdout


def test_one_mode_goes_on_only_where_its_own_job_was_queued_again(copy, fake):
    (copy / "runs" / "there").mkdir(parents=True)
    (copy / "runs" / "scratch-7").mkdir()
    for name in ("there", ""):
        said = {}
        for restarts in ("0", "1"):
            done = bash(
                f"scripts/sbatch_one.sh --mode=scratch {name and '--run-name=' + name}",
                cwd=copy,
                SLURM_JOB_ID="7",
                SLURM_RESTART_COUNT=restarts,
                LABKIT_PYTHON=fake("python", 'echo "does: $*"'),
            )
            said[restarts] = done.stdout.partition("does: -m labrun.cli ")[2].strip()
        assert said["0"].endswith(f"--name {name or 'scratch-7-2'}") and said["0"].startswith("run ")
        assert said["1"] == f"resume {name or 'scratch-7'} --executor local"


@pytest.mark.parametrize("dataset", ["folder", "medium_imagenet"])
def test_a_data_set_at_a_path_gets_it_as_a_parameter(copy, fake, dataset, tmp_path):
    python = fake("python", 'echo "does: $* data=$LABKIT_DATA"')
    said = bash(
        f"'{copy}/scripts/sbatch_one.sh' --mode=scratch",
        cwd=tmp_path,
        LABKIT_PYTHON=python,
        DATASET=dataset,
        DATA_DIR="mine",
        LABKIT_DATA="",
    ).stdout
    assert f"-p data_dir={tmp_path}/mine -p dataset={dataset} " in said and "data=\n" in said
    said = bash(
        f"'{copy}/scripts/sbatch_one.sh' --mode=scratch",
        cwd=tmp_path,
        LABKIT_PYTHON=python,
        DATASET="cifar10",
        DATA_DIR="mine",
        LABKIT_DATA="",
    ).stdout
    assert "data_dir" not in said and f"data={tmp_path}/mine\n" in said


def test_an_unknown_option_and_a_missing_folder_are_refused_before_any_work():
    assert "--datta" in one_sentence(bash("bash scripts/run_lab.sh --datta x"))
    assert "/not/there" in one_sentence(bash("bash scripts/run_lab.sh --data /not/there"))
    assert "--data needs a value" in one_sentence(bash("bash scripts/run_lab.sh --data"))


def test_no_python_names_the_next_step(copy, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ["bash", "dirname", "mkdir", "cat", "cksum", "df", "awk", "tr"]:
        (tools / tool).symlink_to(shutil.which(tool))
    (tools / "python3").write_text("#!/bin/bash\nexit 1\n")  # a Python that is too old says no
    (tools / "python3").chmod(0o755)
    result = bash("bash scripts/run_lab.sh", cwd=copy, PATH=str(tools))
    assert "no Python >= 3.11" in one_sentence(result) and "PYTHON=" in result.stderr


def test_no_network_names_the_next_step(copy):
    (copy / "requirements.txt").write_text("a-package-that-nobody-has==1.0\n")
    offline = dict(PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0", PIP_TIMEOUT="1")
    sentence = one_sentence(bash("bash scripts/run_lab.sh", cwd=copy, **offline))
    assert "package index" in sentence and "login node" in sentence


def test_a_full_disk_names_the_next_step(copy, tmp_path):
    df = tmp_path / "bin" / "df"
    df.parent.mkdir()
    df.write_text("#!/bin/bash\necho header; echo 'disk 100 99 1024 99% /'\n")
    df.chmod(0o755)
    result = bash("bash scripts/run_lab.sh", cwd=copy, PATH=f"{df.parent}:{os.environ['PATH']}")
    assert "0 GB free" in one_sentence(result) and "free some space" in result.stderr


def test_a_disk_that_fills_up_during_the_installation_is_named(copy):
    log = copy / "setup.log"
    log.write_text("Collecting torch\nERROR: Could not install: [Errno 28] No space left on device\n")
    assert "disk is full" in one_sentence(bash(f"source scripts/environment.sh; explain '{log}'", cwd=copy))


def test_a_second_set_up_does_nothing(copy):
    (copy / "requirements.txt").write_text("# nothing to install\n")
    setup = 'source scripts/environment.sh; install() { say "install $*"; }; prepare_environment requirements.txt'
    first, second = bash(setup, cwd=copy), bash(setup, cwd=copy)
    assert "install 0 -r requirements.txt" in first.stdout and first.returncode == 0
    assert second.stdout == "" and second.returncode == 0
    (copy / "requirements.txt").write_text("a==1\nb==2 ; sys_platform == 'linux'\n# changed pins\n")
    assert "install 2 -r requirements.txt" in bash(setup, cwd=copy).stdout


INSTALL = (
    "UV_CACHE_DIR=$PWD/.cache/uv; source scripts/environment.sh; PROGRESS_S=1; mkdir -p .cache .venv/bin; "
    "install 2 -r requirements.txt"
)


def test_pip_installs_what_uv_could_not(copy, fake):
    """Fake programs in .venv: uv fails, pip does its work slowly enough for two lines of progress."""
    uv = "sleep 2; echo 'error: the wheel is odd' >&2; exit 2"
    pip = '[ "$2" = pip ] || exit 0; echo \'Collecting a==1\'; echo "pip $*" >> done; sleep 2'
    for name, body in (("uv", uv), ("python", pip)):
        (copy / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
        shutil.copy(fake(name, body), copy / ".venv" / "bin" / name)
    result = bash(INSTALL, cwd=copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "-r requirements.txt" in (copy / "done").read_text()
    assert "0 of 2 packages, 1 s" in result.stdout and "1 of 2 packages, 1 s" in result.stdout
    assert "pip tries" in result.stdout and "odd" in (copy / ".cache" / "uv.log").read_text()


def test_pip_is_not_tried_where_uv_filled_the_disk(copy, fake):
    (copy / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(fake("uv", "echo 'No space left on device (os error 28)'; exit 2"), copy / ".venv" / "bin" / "uv")
    shutil.copy(fake("python", '[ "$2" = pip ] && touch tried; true'), copy / ".venv" / "bin" / "python")
    assert "disk is full" in one_sentence(bash(INSTALL, cwd=copy))
    assert not (copy / "tried").exists()


def uv_settings(tmp_path, config: str, **environment: str) -> subprocess.CompletedProcess:
    """What uv gets of a pip.conf and PIP_ variables, with no other configuration of this machine's user."""
    (tmp_path / "pip.conf").write_text(config)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    environment = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), **environment}
    command = [sys.executable, str(ROOT / "scripts" / "uv_settings.py")]
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True)


def test_uv_takes_packages_from_where_pip_would(tmp_path):
    config = "[global]\nindex-url = https://a/simple\nfind-links = /w one/x /y\n[install]\ntrusted-host = a b\n"
    config += "[freeze]\ntimeout = 10\n"
    lines = uv_settings(tmp_path, config, PIP_INDEX_URL="https://b/simple?x=1&y=2", PIP_RETRIES="0").stdout.splitlines()
    assert "export UV_DEFAULT_INDEX='https://b/simple?x=1&y=2'" in lines, "variables go before files"
    assert "export UV_FIND_LINKS='/w,one/x,/y'" in lines or "export UV_FIND_LINKS=/w,one/x,/y" in lines
    assert "export UV_INSECURE_HOST='a b'" in lines and "export UV_HTTP_RETRIES=0" in lines
    assert not any("TIMEOUT" in line and "10" in line for line in lines), "another command's timeout"
    kept = uv_settings(tmp_path, config, UV_DEFAULT_INDEX="https://own").stdout
    assert "UV_DEFAULT_INDEX" not in kept, "what was set for uv itself stays"


def test_pip_keeps_the_work_where_uv_has_no_such_setting(tmp_path):
    result = uv_settings(tmp_path, "[global]\nclient-cert = /c.pem\n")
    assert result.returncode == 1 and "client-cert" in result.stderr and result.stdout == ""


@pytest.fixture
def lab(copy, fake):
    """`lab(arguments, codes)`: run_lab.sh in a ready environment with a fake labkit; what it was called with."""
    (copy / "notebooks").mkdir()
    for name in ("01_a", "02_b", "03_c", "04_d"):
        (copy / "notebooks" / f"{name}.ipynb").touch()

    def run(arguments: str = "", body: str = "exit 0", gpu: int = 1):
        fake("labkit", f'echo "$*" >> calls; {body}')
        fake("nvidia-smi", f"exit {gpu}")
        (copy / "calls").unlink(missing_ok=True)
        setup = "prepare_environment() { keep_caches_inside; }; "
        environment = (ROOT / "scripts" / "environment.sh").read_text() + "\n" + setup
        (copy / "scripts" / "environment.sh").write_text(environment)
        result = bash(f"bash scripts/run_lab.sh {arguments}", cwd=copy, PATH=fake.path)
        return result, (copy / "calls").read_text().splitlines() if (copy / "calls").exists() else []

    return run


def test_the_first_lesson_runs_first_and_the_one_that_measures_alone(lab):
    result, calls = lab("--jobs 2 --seed 1")
    path = "notebooks/{}.ipynb".format
    pair = f"{path('02_b')} {path('03_c')}"
    assert calls == [f"run {what} --jobs 2 -p seed=1" for what in (path("01_a"), pair, path("04_d"))]
    page = str(Path(result.stdout.splitlines()[-1]))
    assert result.returncode == 0 and page.endswith("runs/index.html") and page in result.stdout.splitlines()[0]


def test_notebooks_share_no_gpu_unless_asked(lab):
    assert all("--jobs 1" in call for call in lab(gpu=0)[1])
    assert all("--jobs 3" in call for call in lab("--jobs 3", gpu=0)[1])
    assert "--jobs none" in one_sentence(lab("--jobs none")[0])


@pytest.mark.parametrize(("code", "calls"), [(0, 3), (1, 3), (2, 1), (75, 1), (130, 1)])
def test_the_exit_code_is_that_of_the_runs(lab, code, calls):
    result, made = lab(body=f"exit {code}")
    assert (result.returncode, len(made)) == (code, calls)
    assert ("Not all of these are finished" in result.stdout) == (code == 1)
    assert ("Stopped and saved" in result.stdout) == (code in (75, 130))


def test_the_quick_choice_leaves_out_what_takes_long():
    files = ["tests/notebooks", "tests/labrun/test_queue.py", "tests/labrun/test_runner.py"]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--quick", "-p", "no:cacheprovider", *files]
    chosen = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    assert "tests/notebooks/test_lint.py::" in chosen and "tests/labrun/test_queue.py::" in chosen
    assert "test_five_hundred_runs_are_told_at_once_with_one_call" not in chosen, "long by tests/durations.json"
    assert "test_execute" not in chosen and "test_runner" not in chosen, "marked as integration"


def test_the_pins_lie_in_the_ranges_of_pyproject():
    """requirements.txt and pyproject.toml speak of the same packages."""
    import tomllib

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = [r for r in (ROOT / "requirements.txt").read_text().splitlines() if r and not r.startswith("#")]
    pins = {canonicalize_name(r.name): r for r in map(Requirement, lines)}
    for text in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
        need = Requirement(text)
        (pin,) = pins[canonicalize_name(need.name)].specifier
        assert pin.operator == "==" and need.specifier.contains(pin.version), text
