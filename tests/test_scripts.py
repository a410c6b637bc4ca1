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
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, env=env, capture_output=True, text=True, timeout=300
    )


def one_sentence(result: subprocess.CompletedProcess) -> str:
    lines = [line for line in result.stderr.splitlines() if "STOPPED" in line]
    assert result.returncode != 0 and len(lines) == 1, result.stdout + result.stderr
    return lines[0]


@pytest.fixture
def copy(tmp_path):
    """A repository without .venv: only what the set-up reads."""
    root = tmp_path / "a copy with spaces"
    shutil.copytree(ROOT / "scripts", root / "scripts")
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
    assert "disk is full" in one_sentence(
        bash(f"source scripts/environment.sh; explain_pip '{log}'", cwd=copy)
    )


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
