"""Notebooks made of a few cells, executed by the real runner with real kernels."""

import time

import nbformat
import pytest

from labrun.local import LocalExecutor
from labrun.spec import freeze, make_spec

PARAMETERS = "lr: float = 0.1\nwidth: int | None = None\nseed = 0"


def write_notebook(path, *cells, parameters=PARAMETERS):
    """Write a notebook: a title, the parameters cell, then `cells` (Markdown where they start with #)."""
    made = [nbformat.v4.new_markdown_cell("# A lesson on $x^2$ & <more>")]
    made.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    for source in cells:
        kind = (
            nbformat.v4.new_markdown_cell
            if source.startswith("# ") or source.startswith("## ")
            else nbformat.v4.new_code_cell
        )
        made.append(kind(source))
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    return path


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A course of its own: `lab(name, *cells, **spec)` freezes a run; `lab.go(runs)` executes them."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("lab")
        patch.setenv("LABKIT_RUNS", str(folder / "runs"))
        patch.setenv("LABKIT_GRACE_S", "20")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("LABKIT_RUN_DIR", raising=False)
        yield Lab(folder)


class Lab:
    def __init__(self, folder):
        self.folder, self.executor, self.runs = folder, LocalExecutor(), folder / "runs"

    def notebook(self, name, *cells, **options):
        return write_notebook(self.folder / f"{name}.ipynb", *cells, **options)

    def freeze(self, name, *cells, **spec):
        return freeze(make_spec(self.notebook(name, *cells), name=name, **spec))

    def go(self, runs, jobs=1):
        return self.executor.submit(runs, jobs=jobs).wait(timeout=240)

    def until(self, seen, timeout_s=120):
        """Wait until `seen()` is true: the other process works at its own pace."""
        deadline = time.monotonic() + timeout_s
        while not seen():
            assert time.monotonic() < deadline, "this did not happen in time"
            time.sleep(0.05)
