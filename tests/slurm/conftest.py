"""A real Slurm of two nodes, started by scripts/laptop_slurm.sh for these tests alone."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import pytest

from labkit.run_folder import RunFolder
from labrun import state
from labrun.slurm import squeue as queue
from labrun.slurm.executor import SlurmExecutor
from labrun.slurm.site_config import load_site
from labrun.spec import freeze, make_spec

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "laptop_slurm.sh"
PARAMETERS = "lr: float = 0.1\nseed = 0"


class Cluster:
    """The daemons: start, stop and kill them one by one."""

    def __init__(self, folder: Path):
        self.folder = folder

    def do(self, word: str) -> subprocess.CompletedProcess:
        return subprocess.run(["bash", SCRIPT, word], capture_output=True, text=True, timeout=120)

    def ask(self, *words: str) -> str:
        environment = os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf")}
        return subprocess.run(words, capture_output=True, text=True, env=environment, timeout=60).stdout

    def pid(self, daemon: str) -> int:
        return int((self.folder / f"{daemon}.pid").read_text())

    def log(self) -> str:
        texts = {path: path.read_text() for path in self.folder.glob("*.log")}
        return "\n".join(f"--- {path}\n{text[-2000:]}" for path, text in texts.items())


@pytest.fixture(scope="session")
def cluster():
    path = os.environ["PATH"] + ":/usr/sbin"
    if not all(shutil.which(name, path=path) for name in ("slurmctld", "slurmd", "munged", "sbatch")):
        said = "There is no Slurm on this machine (apt-get install slurm-wlm munge)."
        if os.environ.get("LABKIT_REQUIRE_SLURM") == "1":
            pytest.fail(said)
        pytest.skip(said)
    folder = Path(tempfile.mkdtemp(prefix="labkit-slurm-", dir="/tmp"))  # short: sockets lie in it
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_SLURM_DIR", str(folder))
        patch.setenv("LABKIT_SLURM_PORT", str(random.randrange(21_000, 30_000, 10)))
        for name in [name for name in os.environ if name.startswith("SLURM_")]:
            patch.delenv(name)
        cluster = Cluster(folder)
        started = cluster.do("start")
        assert started.returncode == 0, started.stderr + cluster.log()
        yield cluster
        cluster.do("stop")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def lab(cluster, tmp_path_factory):
    """A course whose folder has a space in its name; runs are sent to the two nodes."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("a lab") / "with spaces"
        folder.mkdir()
        patch.setenv("LABKIT_RUNS", str(folder / "runs"))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.delenv("LABKIT_RUN_DIR", raising=False)
        yield Lab(folder, cluster)


class Lab:
    def __init__(self, folder: Path, cluster: Cluster):
        self.folder, self.cluster = folder, cluster

    def executor(self, **chosen) -> SlurmExecutor:
        return SlurmExecutor(load_site("laptop", **chosen))

    def notebook(self, name: str, *cells: str, parameters: str = PARAMETERS) -> Path:
        made = [
            nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
            *map(nbformat.v4.new_code_cell, cells),
        ]
        nbformat.write(nbformat.v4.new_notebook(cells=made), self.folder / f"{name}.ipynb")
        return self.folder / f"{name}.ipynb"

    def freeze(self, name: str, *cells: str, **spec) -> RunFolder:
        return freeze(make_spec(self.notebook(name, *cells), name=name, **spec))

    def labkit(self, *words: str, **options) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "labrun.cli", *words],
            cwd=self.folder,
            text=True,
            capture_output=True,
            timeout=120,
            **options,
        )

    def run(self, name: str) -> RunFolder:
        return RunFolder(self.folder / "runs" / name)

    def state(self, run: RunFolder) -> dict:
        queue.forget()
        return state.observe(run)

    def until(self, seen, *, run: RunFolder | None = None, timeout_s: float = 120):
        """Return what `seen()` returns as soon as that is true."""
        deadline = time.monotonic() + timeout_s
        while not (found := seen()):
            assert time.monotonic() < deadline, self.picture(run)
            time.sleep(0.2)
        return found

    def ended(self, *runs: RunFolder, timeout_s: float = 120) -> list[str]:
        """Wait until Slurm and the runners have done with these runs; return their states."""
        for run in runs:
            self.until(lambda run=run: self.state(run)["state"] not in state.OPEN, run=run, timeout_s=timeout_s)
        return [self.state(run)["state"] for run in runs]

    def picture(self, run: RunFolder | None) -> str:
        log = run.log_file.read_text()[-3000:] if run and run.log_file.exists() else ""
        outputs = "\n".join(path.read_text() for path in (self.folder / "runs/.jobs").glob("*/*.out"))
        return f"{run and self.state(run)}\n{log}\n{outputs[-3000:]}\n{self.cluster.ask('squeue')}"
