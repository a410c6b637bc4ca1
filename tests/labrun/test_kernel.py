"""A run's kernel: this Python whatever is installed elsewhere, tokens handed over, sockets that bind."""

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from labkit.run_folder import LabError, RunFolder
from labrun import environment
from labrun.runner import kernel


@pytest.fixture
def course(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "repo_root", lambda: tmp_path)
    for token in ("HF_TOKEN", "WANDB_API_KEY"):
        monkeypatch.delenv(token, raising=False)
    return tmp_path


def test_tokens_come_from_the_file_and_the_environment_wins(course, monkeypatch):
    (course / ".env").write_text("HF_TOKEN='from file'\nWANDB_API_KEY=\n# a comment\nOTHER=1\n")
    run = RunFolder(course / "r")
    found = environment.kernel_environment(run)
    assert found["HF_TOKEN"] == "from file" and "WANDB_API_KEY" not in found
    assert "OTHER" not in found
    monkeypatch.setenv("HF_TOKEN", "")
    assert environment.kernel_environment(run)["HF_TOKEN"] == "from file"
    monkeypatch.setenv("HF_TOKEN", "from environment")
    assert environment.kernel_environment(run)["HF_TOKEN"] == "from environment"


def test_a_token_file_that_is_no_text_is_one_sentence(course):
    (course / ".env").write_bytes(b"HF_TOKEN=\xff\xfe")
    with pytest.raises(LabError, match="UTF-8"):
        environment.tokens()


def test_a_childs_kernel_belongs_to_its_own_run_and_to_no_other_kernel(course, monkeypatch):
    monkeypatch.setenv("LABKIT_RUN_DIR", "/somewhere/parent")
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    monkeypatch.setenv("MPLBACKEND", "TkAgg")
    monkeypatch.setenv("OMP_NUM_THREADS", "9")
    found = environment.kernel_environment(RunFolder(course / "child"), threads=2)
    assert found["LABKIT_RUN_DIR"] == str(course / "child")
    assert found["OMP_NUM_THREADS"] == "2"
    assert not {"JPY_PARENT_PID", "MPLBACKEND"} & set(found)


def test_no_kernel_specification_is_looked_up(tmp_path, monkeypatch):
    """Someone's `python3` specification that starts another Python must not matter."""
    other = tmp_path / "kernels" / "python3"
    other.mkdir(parents=True)
    specification = {"argv": ["/bin/false"], "display_name": "x", "language": "x"}
    (other / "kernel.json").write_text(json.dumps(specification))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert kernel.PrivateKernelManager(kernel_name="python3").kernel_spec.argv[0] == sys.executable


def test_sockets_lie_in_the_cache_or_where_their_path_is_short_enough(monkeypatch):
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setenv("LABKIT_CACHE", short)
        near = kernel.socket_folder()
        assert near == Path(short) / "kernels" and not list(near.iterdir())


def test_a_deep_repository_has_its_sockets_elsewhere_or_by_a_relative_path(tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    monkeypatch.setenv("LABKIT_CACHE", str(deep))
    far = kernel.socket_folder()
    assert len(os.fsencode(str(far))) <= 80 and far.is_dir()
    if not far.is_relative_to(Path.cwd()):
        far.rmdir()
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert kernel.socket_folder() == Path("kernels")
