"""The two commands of the README: what they say, and the one sentence when they cannot go on."""

import os
import re
import shutil
import subprocess
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


def test_a_disk_that_fills_up_while_pip_works_is_told(copy):
    log = copy / "pip.log"
    log.write_text("Collecting torch\nERROR: Could not install: [Errno 28] No space left on device\n")
    assert "disk is full" in one_sentence(bash(f"source scripts/environment.sh; explain_pip '{log}'", cwd=copy))


def test_a_second_set_up_does_nothing(copy):
    (copy / "requirements.txt").write_text("# nothing to install\n")
    setup = 'source scripts/environment.sh; install() { say "pip $*"; }; prepare_environment requirements.txt'
    first, second = bash(setup, cwd=copy), bash(setup, cwd=copy)
    assert "pip -r requirements.txt" in first.stdout and first.returncode == 0
    assert second.stdout == "" and second.returncode == 0
    (copy / "requirements.txt").write_text("# changed pins\n")
    assert "pip -r requirements.txt" in bash(setup, cwd=copy).stdout


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
