"""RunSpec: one request for a run, checked against the notebook, then frozen into a run folder."""

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from labkit.run_folder import LabError, RunFolder, atomic_write, repo_root, runs_dir, unknown_name
from labkit.run_folder.validation import Settings
from labrun.parameters import check, check_meaning, declared

_NAME_LETTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


class RunSpec(Settings):
    """Which notebook runs, with which values; everything a run needs to be done again."""

    notebook: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None  # a short way to write parameters={"seed": ...}
    name: str | None = None  # the run's id; made from notebook and time where not given
    timeout_s: float | None = Field(default=None, gt=0)  # the longest one cell may take
    threads: int | None = Field(default=None, ge=1)  # CPU threads of the kernel (OMP_NUM_THREADS)
    parent: str | None = None  # the sweep, or the run, that this run belongs to
    varied: list[str] = Field(default_factory=list)  # parameters in which the siblings differ
    values: dict[str, Any] = Field(default_factory=dict)  # every parameter, defaults too: set by make_spec()
    source_sha256: str = ""  # of the frozen notebook: set by freeze()

    @field_validator("name")
    @classmethod
    def _is_a_folder_name(cls, name: str | None) -> str | None:
        if name is not None and (not name or name.startswith(".") or set(name) - _NAME_LETTERS):
            raise ValueError("be letters, digits and . _ - only, and not start with a point")
        return name


def make_spec(notebook: str | Path, **fields: Any) -> RunSpec:
    """Return the specification, or one sentence with what is wrong.

    fields: those of RunSpec. `parameters` may hold `parameters.Text` values, as typed on a command line.
    Raises LabError for a notebook that is not there, unknown parameters, values of a wrong type, and
    names and data that do not exist (see `parameters.check_meaning`).
    """
    path = find_notebook(notebook)
    cell = declared(read_notebook(path))
    given, seed = dict(fields.pop("parameters", None) or {}), fields.pop("seed", None)
    if seed is not None:
        if "seed" in given:
            raise LabError("seed is given twice: keep one.")
        given["seed"] = seed
    given = check(given, cell)
    defaults = {name: parameter.default for name, parameter in cell.items()}
    values = defaults | given
    check_meaning(given, defaults)
    root = repo_root().resolve()  # records name the notebook as one types it, and no home folder
    short = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    known = {"notebook": short, "parameters": given, "seed": values.get("seed"), "values": values}
    return RunSpec(**known, source_sha256=sha256, **fields)


def read_spec(run: RunFolder) -> RunSpec:
    """Return the frozen specification of `run`. Raises LabError where it is missing or was damaged."""
    spec = run.read_spec()
    if not spec.get("notebook"):
        raise LabError(f"{run.spec_file} is missing or damaged: there is no such run to execute.")
    return RunSpec(**spec)


def freeze(spec: RunSpec) -> RunFolder:
    """Create the run folder: the specification and a copy of the notebook as they are now.

    What is edited later changes nothing in this run. Raises LabError where the name is taken.
    """
    path = find_notebook(spec.notebook)
    content = path.read_bytes()
    run = RunFolder(runs_dir() / (spec.name or fresh_id(path.stem)))
    frozen = spec.model_copy(update={"name": run.id, "source_sha256": hashlib.sha256(content).hexdigest()})
    run.create(frozen.model_dump())
    atomic_write(run.source, content)
    return run


def fresh_id(stem: str) -> str:
    """Return `<stem>-<yyyymmdd-hhmmss>-<four letters>`, an id that nobody has."""
    return f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def find_notebook(notebook: str | Path) -> Path:
    """Return the notebook's path; `train`, `01` and `notebooks/train.ipynb` are all understood."""
    root, name = repo_root(), Path(notebook)
    for path in (name, root / name, root / "notebooks" / name, root / "notebooks" / f"{name}.ipynb"):
        if path.suffix == ".ipynb" and path.is_file():
            return path.resolve()
    known = {path.stem: path for path in sorted((root / "notebooks").glob("*.ipynb"))}
    numbered = [path for stem, path in known.items() if stem.startswith(f"{name}_")]
    if len(numbered) == 1:
        return numbered[0].resolve()
    raise unknown_name("notebook", name.stem if name.suffix == ".ipynb" else str(notebook), known)


def read_notebook(path: Path) -> dict[str, Any]:
    """Return a notebook's JSON. Raises LabError where it is none."""
    try:
        notebook = json.loads(path.read_bytes())
        if isinstance(notebook.get("cells"), list):
            return notebook
    except (ValueError, AttributeError):
        pass
    raise LabError(f"{path} is no notebook (its JSON cannot be read): restore it from git and try again.")


def headings(cell: Mapping[str, Any]) -> list[str]:
    """Return the headings of a Markdown cell, `#` marks included ([] for a code cell)."""
    lines = "".join(cell["source"]).splitlines() if cell["cell_type"] == "markdown" else []
    return [line for line in lines if line.startswith("#")]


def first_heading(path: Path) -> str:
    """Return the title of a notebook, its first `# heading` ("" where it has none or cannot be read)."""
    try:
        lines = [line for cell in read_notebook(path)["cells"] for line in headings(cell)]
    except (OSError, LabError):
        return ""
    return next((line[2:].strip() for line in lines if line.startswith("# ")), "")
