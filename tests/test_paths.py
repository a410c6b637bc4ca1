"""Where things live: the environment decides, and no tool is left to write into a home folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.run_folder import paths


def test_the_root_is_the_folder_that_holds_labkit():
    assert (paths.repo_root() / "labkit" / "run_folder" / "paths.py").samefile(paths.__file__)


@pytest.mark.parametrize(
    ("variable", "function", "default"),
    [
        ("LABKIT_DATA", paths.data_dir, "data"),
        ("LABKIT_RUNS", paths.runs_dir, "runs"),
        ("LABKIT_CACHE", paths.cache_dir, ".cache"),
    ],
)
def test_a_variable_moves_each_folder(monkeypatch, tmp_path, variable, function, default):
    monkeypatch.delenv(variable, raising=False)
    assert function() == paths.repo_root() / default
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert function() == tmp_path / "elsewhere"
    monkeypatch.setenv(variable, "beside")
    assert function() == Path.cwd() / "beside"


def test_the_private_environment_points_into_the_cache_and_creates_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "c"))
    monkeypatch.delenv("HF_HOME", raising=False)
    folders = {k: v for k, v in paths.private_environment().items() if k != "JUPYTER_PLATFORM_DIRS"}
    assert all(Path(v).is_relative_to(tmp_path / "c") for k, v in folders.items() if k not in os.environ)
    assert {"MPLCONFIGDIR", "JUPYTER_RUNTIME_DIR", "WANDB_DIR", "HF_HOME", "TORCH_HOME"} <= set(folders)
    assert not (tmp_path / "c").exists()


def test_a_persons_own_setting_is_kept_but_never_for_kernels(monkeypatch):
    monkeypatch.setenv("HF_HOME", "/models/hf")
    monkeypatch.setenv("JUPYTER_DATA_DIR", "/home/someone/.local/share/jupyter")
    environment = paths.private_environment()
    assert environment["HF_HOME"] == "/models/hf"
    assert environment["JUPYTER_DATA_DIR"].startswith(str(paths.cache_dir()))


def test_importing_the_ground_floor_loads_no_heavy_library():
    code = (
        "import sys, labkit, labkit.run_folder.paths, labkit.run_folder.records;"
        "print([m for m in ('torch', 'numpy', 'pydantic', 'pandas', 'rich') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
