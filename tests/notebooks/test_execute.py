"""Every notebook at its tiny preset (long trainings shorter), through the real runner, as a job runs it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from labkit.run_folder import RunFolder
from labrun import state

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(p.name for p in (ROOT / "notebooks").glob("*.ipynb"))
SHORT = {
    "02_alexnet_resnet.ipynb": ["-p", "max_steps=8"],
    "03_simclr.ipynb": ["-p", "max_steps=25"],
    "mode.ipynb": ["-p", "max_steps=25"],
    "shortcuts.ipynb": ["-p", "max_steps=4", "-p", "seeds=2"],
}
LABKIT = Path(sys.executable).with_name("labkit")
pytestmark = pytest.mark.integration


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """`run(notebook)`: its run folder; the tests of one notebook share it, and a worker."""
    runs = tmp_path_factory.mktemp("runs of notebooks")

    def executed(notebook: str) -> Path:
        folder = runs / Path(notebook).stem
        if not folder.exists():
            command = [str(LABKIT), "run", f"notebooks/{notebook}", "--name", folder.name, *SHORT.get(notebook, [])]
            env = {**os.environ, "LABKIT_RUNS": str(runs)}
            result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
            (runs / f"{notebook}.said").write_text(result.stdout[-3000:] + result.stderr[-3000:])
        assert state.observe(RunFolder(folder))["state"] == "done", (runs / f"{notebook}.said").read_text()
        return folder

    return executed


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_runs_at_tiny_and_leaves_a_whole_record(notebook, run):
    folder = run(notebook)
    metrics = json.loads((folder / "metrics.json").read_text())
    timings = json.loads((folder / "timings.json").read_text()) if (folder / "timings.json").exists() else {}
    headline = metrics if "main" in metrics else timings
    assert isinstance(headline[headline["main"]], int | float)
    assert list((folder / "figures").glob("*.png")) or notebook == "train.ipynb"

    executed = nbformat.read(folder / "executed.ipynb", as_version=4)
    code = [cell for cell in executed.cells if cell.cell_type == "code" and cell.source.strip()]
    assert all(cell.execution_count for cell in code), "every cell ran"
    errors = [out for cell in code for out in cell.outputs if out.output_type == "error"]
    warnings = [
        out.text
        for cell in code
        for out in cell.outputs
        if out.output_type == "stream" and out.name == "stderr" and "Warning" in out.text
    ]
    assert not errors and not warnings, (errors, warnings)
    html = (folder / "executed.html").read_text()
    assert not re.findall(r"<img[^>]*alt=\"(?:No description[^\"]*)?\"", html), "a figure without alt text"


def test_tagged_cells_show_the_same_again(run, tmp_path):
    """nbval executes the finished copy again and compares the cells tagged `nbval-check-output`."""
    notebook = "01_data_visualization.ipynb"
    executed = tmp_path / notebook
    shutil.copy(run(notebook) / "executed.ipynb", executed)
    cells = nbformat.read(executed, as_version=4).cells
    assert any("nbval-check-output" in cell.metadata.get("tags", []) for cell in cells), "no cell is tagged"
    env = {**os.environ, "LABKIT_RUNS": str(tmp_path / "again")}
    env.pop("LABKIT_RUN_DIR", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "--nbval-lax"]
    command += ["--nbval-current-env", "--nbval-cell-timeout=300", "--rootdir", str(tmp_path), str(executed)]
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-4000:]
