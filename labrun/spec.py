"""RunSpec: one wish for a run, checked against the notebook, then frozen into a run folder."""

import hashlib
import json
import secrets
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from labkit.run_folder import LabError, RunFolder, atomic_write, repo_root, runs_dir, unknown_name
from labrun import choices
from labrun import parameters as notebook_parameters


class RunSpec(BaseModel):
    """Which notebook runs, with which values; everything a run needs to be done again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    notebook: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None  # a short way to write parameters={"seed": ...}
    name: str | None = None  # the run's id; made from notebook and time where not given
    timeout_s: float | None = Field(default=None, gt=0)  # the longest one cell may take
    threads: int | None = Field(default=None, ge=1)  # CPU threads of the kernel (OMP_NUM_THREADS)
    parent: str | None = None  # the sweep, or the run, that this run belongs to
    varied: list[str] = Field(default_factory=list)  # parameters in which the siblings differ
    values: dict[str, Any] = Field(default_factory=dict)  # every parameter, defaults too: set by freeze()
    source_sha256: str = ""  # of the frozen notebook: set by freeze()

    @field_validator("name")
    @classmethod
    def _is_a_folder_name(cls, name: str | None) -> str | None:
        if name is not None and (not name or name.startswith(".") or set(name) - _NAME_LETTERS):
            raise ValueError("may hold letters, digits and . _ - only, and must not start with a point")
        return name


_NAME_LETTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def make_spec(notebook: str | Path, **fields: Any) -> RunSpec:
    """Return the specification, with every mistake told in one sentence.

    fields: those of RunSpec. `parameters` may hold `parameters.Text` values, as typed on a command line.
    Raises LabError for a notebook that is not there, unknown parameters, values of a wrong type, and
    names and data that do not exist (see `choices`).
    """
    path = find_notebook(notebook)
    declared = notebook_parameters.declared(read_notebook(path))
    given = dict(fields.pop("parameters", None) or {})
    seed = fields.pop("seed", None)
    if seed is not None and "seed" in given:
        raise LabError("seed is given twice: keep one.")
    given |= {} if seed is None else {"seed": seed}
    given = notebook_parameters.check(given, declared)
    defaults = {name: parameter.default for name, parameter in declared.items()}
    choices.check(given, defaults)
    values = defaults | given
    return _validated(
        notebook=_short(path),
        parameters=given,
        seed=values.get("seed"),
        values=values,
        source_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        **fields,
    )


def read_spec(run: RunFolder) -> RunSpec:
    """Return the frozen specification of `run`. Raises LabError where it is missing or was damaged."""
    spec = run.read_spec()
    if not spec.get("notebook"):
        raise LabError(f"{run.spec_file} is missing or damaged: there is no such run to execute.")
    return _validated(**spec)


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
    folder = repo_root() / "notebooks"
    wanted = Path(notebook)
    for path in (wanted, repo_root() / wanted, folder / wanted, folder / f"{wanted}.ipynb"):
        if path.suffix == ".ipynb" and path.is_file():
            return path.resolve()
    known = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    starting = [path for stem, path in known.items() if stem.startswith(f"{wanted}_")]
    if len(starting) == 1:
        return starting[0].resolve()
    raise unknown_name("notebook", wanted.stem if wanted.suffix == ".ipynb" else str(notebook), known)


def read_notebook(path: Path) -> dict:
    """Return a notebook's JSON. Raises LabError where it is none."""
    try:
        notebook = json.loads(path.read_bytes())
        if isinstance(notebook.get("cells"), list):
            return notebook
    except (ValueError, AttributeError):
        pass
    raise LabError(f"{path} is no notebook (its JSON cannot be read): restore it from git and try again.")


def first_heading(path: Path) -> str:
    """Return the title of a notebook, its first `# heading` ("" where it has none or cannot be read)."""
    try:
        cells = json.loads(path.read_bytes())["cells"]
    except (OSError, ValueError, KeyError):
        return ""
    lines = [line for cell in cells if cell["cell_type"] == "markdown" for line in "".join(cell["source"]).splitlines()]
    return next((line[2:].strip() for line in lines if line.startswith("# ")), "")


def _validated(**fields: Any) -> RunSpec:
    try:
        return RunSpec(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise unknown_name("run option", name, RunSpec.model_fields) from None
        name = {"timeout_s": "--timeout", "name": "--name", "threads": "--threads"}.get(name, name)
        said = first["msg"].removeprefix("Value error, ")
        raise LabError(f"The run option {name} is wrong: {said} (got {first['input']!r}).") from None


def _short(path: Path) -> str:
    """Return the path as one would type it in the repository, so that records do not name a home folder."""
    root = repo_root().resolve()
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
