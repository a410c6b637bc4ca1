"""A request for a run: parameters checked against the notebook's own cell and the library's names, then frozen."""

import ast
import hashlib
import json
import os
import re
import secrets
import shlex
import sys
import time
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from labkit.run_folder import DINOV3, LabError, RunFolder, atomic_write, data_dir, repo_root, runs_dir, unknown_name
from labkit.run_folder.validation import Settings, parse_yaml

REGISTRIES = {  # parameter: what it is called, and the dict whose keys are the valid names
    "dataset": ("data set", "labkit.data.datasets:DATASETS"),
    "pretrain_dataset": ("data set", "labkit.data.datasets:DATASETS"),
    "model": ("model", "labkit.models:MODELS"),
    "mode": ("mode", "labkit.simclr:MODES"),
    "preset": ("preset", "labkit.simclr:PRESETS"),
}
WORDS = {"none": None, "null": None, "true": True, "false": False}  # in any case
PATHS = ("data_dir", "pretrain_dir", "weights")
# parameter: least value; None: above 0. Where the notebook's default is 0, that stands for its own value.
LEAST = {"max_steps": 1, "epochs": 1, "batch_size": 1, "seed": 0, "lr": None, "temperature": None}
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
NAME_RULE = "be letters, digits and . _ - only, and not start with a point"
_TYPES = {kind.__name__: kind for kind in (int, float, str, bool, list, tuple, dict)} | {"None": type(None)}


@dataclass(frozen=True)
class Parameter:
    """One line of the parameters cell. `types` is empty where the cell sets no type."""

    default: Any
    types: tuple[type, ...]


class Text(str):
    """A value as it was typed on a command line: what it means depends on the parameter's type."""


def declared(notebook: dict[str, Any]) -> dict[str, Parameter]:
    """Return what the cell tagged `parameters` declares, by name ({} where there is no such cell).

    Raises LabError where a default is no literal: its value would only be known once the notebook runs.
    """
    cells = [c for c in notebook.get("cells", []) if "parameters" in (c.get("metadata", {}).get("tags") or [])]
    found = {}
    try:
        lines = ast.parse("".join(cells[0].get("source", ""))).body if cells else []
    except (SyntaxError, ValueError) as error:
        raise LabError(
            f"The parameters cell cannot be read ({error}): keep to lines such as lr = 0.1, and move magics and "
            "commands (% and !) to another cell."
        ) from None
    for line in lines:
        target = line.target if isinstance(line, ast.AnnAssign) else getattr(line, "targets", [None])[0]
        if not isinstance(target, ast.Name) or not isinstance(line, ast.Assign | ast.AnnAssign) or line.value is None:
            continue
        try:
            default = ast.literal_eval(line.value)
        except ValueError:
            raise LabError(
                f"The parameters cell sets {target.id} to {ast.unparse(line.value)!r}, which is no literal: "
                "write a number, a text, True, None or a list of these."
            ) from None
        types = _types_of(line.annotation) if isinstance(line, ast.AnnAssign) else ()
        inferred = () if default is None else (type(default),)
        found[target.id] = Parameter(default, types or inferred)
    return found


def check(given: dict[str, Any], parameters: dict[str, Parameter]) -> dict[str, Any]:
    """Return the values as the notebook needs them (texts from a command line converted, see `Text`).

    Raises one LabError with every mistake: unknown names with the nearest valid ones, wrong types.
    """
    checked, mistakes = {}, []
    for name, value in given.items():
        types = parameters[name].types if name in parameters else ()
        if isinstance(value, Text):  # a text arrives as typed, to the byte; where only that fits, `123` is one too
            meaning = literal(value)
            value = str(value) if isinstance(meaning, str) or (str in types and not _fits(meaning, types)) else meaning
        if not parameters:
            mistakes.append(f"{name} cannot be set: this notebook has no cell tagged `parameters`.")
        elif name not in parameters:
            mistakes.append(str(unknown_name("parameter", name, parameters)))
        elif types and not _fits(value, types):
            expected = " or ".join("None" if kind is type(None) else kind.__name__ for kind in types)
            mistakes.append(f"{name} must be {expected}, got {value!r}.")
        elif not _is_finite(value):
            mistakes.append(f"{name} must be finite, got {given[name]!r}.")
        else:
            checked[name] = float(value) if float in types and type(value) is int and int not in types else value
    if mistakes:
        raise LabError(" ".join(mistakes))
    return checked


def check_meaning(given: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Raise LabError for unknown names, numbers out of range, absent paths and data, a mode that lacks its weights.

    given: what the user sets; defaults: the notebook's own values. A parameter that only happens to be called `model`
    is left alone: where the notebook's default is neither empty nor in the registry, it means its own things.
    """
    for parameter, (kind, place) in REGISTRIES.items():
        name, default = given.get(parameter), defaults.get(parameter)
        valid = registry(place) if name and name != default else {}
        if valid and (not default or default in valid) and not (isinstance(name, str) and name in valid):
            raise unknown_name(kind, name, valid)
    for parameter in LEAST.keys() & given.keys():
        value, default, least = given[parameter], defaults.get(parameter), LEAST[parameter]
        numbers = _fits(value, [float]) and _fits(default, [float])  # else it means something else
        enough = numbers and (value > 0 if least is None else value >= least)
        if numbers and not enough and not value == default == 0:
            bound = "above 0" if least is None else f"{least} or more"
            own = ", or 0 for the notebook's own value" if default == 0 and least else ""
            raise LabError(f"{parameter} must be {bound}{own} (got {value}).")
    for parameter in PATHS:
        path = given.get(parameter)  # a relative one counts from the repository, where notebooks run
        if path and isinstance(path, str) and not (repo_root() / path).exists():
            raise LabError(f"{parameter}={path} does not exist: give an absolute path, or one from {repo_root()}.")
    if defaults.get("mode") and defaults.get("preset"):
        _check_weights(defaults | given, defaults)
    from labkit.data.download import require

    require(defaults | given)


def registry(place: str) -> dict[str, Any]:
    """Return the dict that `module:NAME` names; it is imported now."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def assignments(texts: Iterable[str]) -> dict[str, Text]:
    """Return what was typed after -p (`name=value`), by name. Raises LabError, also for a name given twice."""
    return _split(texts, "parameter: write it as name=value, for example -p lr=0.1", Text)


def grid_of(texts: Iterable[str]) -> dict[str, list[Text]]:
    """Return what was typed after -g (`name=a,b,c`), by name. Raises LabError, also for a name given twice."""
    found = _split(texts, "grid: write it as name=a,b,c, for example -g lr=0.1,0.2", alternatives)
    bare = re.compile(r"""(['"])(.*)\1""", re.DOTALL)  # quotes around the whole of a value are not part of it
    return {name: [Text(bare.sub(r"\2", one) if bare.fullmatch(one) else one) for one in found[name]] for name in found}


def alternatives(text: str) -> list[Text]:
    """Split `a,b,c`; commas inside brackets or quotes belong to the value."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if letter in "'\"" and (quote == letter or (not quote and (depth or not parts[-1].strip()))):
            quote = "" if quote else letter
        depth += 0 if quote else (letter in "[({") - (letter in "])}")
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    if not all(part.strip() for part in parts):
        raise LabError(f"{text!r} has an empty value: write a grid as name=a,b,c, for example -g lr=0.1,0.2.")
    return [Text(part.strip()) for part in parts]


def literal(text: str) -> Any:
    """Return the value of a typed text: one of WORDS, a Python literal, a list or dict of YAML, else the text."""
    typed = text.strip()
    if typed.lower() in WORDS:
        return WORDS[typed.lower()]
    if typed[:1] in ("[", "{", "(") or "#" not in typed:  # which would begin a comment
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            return ast.literal_eval(typed)
    with suppress(LabError):
        return parse_yaml(typed, typed) if typed[:1] in ("[", "{") else str(text)
    return str(text)


def _split(texts: Iterable[str], form: str, convert: Callable[[str], Any]) -> dict[str, Any]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise LabError(f"{text!r} is no {form}.")
        if name.strip() in found:
            raise LabError(f"{name.strip()} is given twice: keep one.")
        found[name.strip()] = convert(value)
    return found


def _fits(value: Any, types: Collection[type]) -> bool:
    """Return whether a value is of one of the types: an int is a fine float, but True is no number."""
    if isinstance(value, bool):
        return bool in types
    return isinstance(value, tuple(types)) or (isinstance(value, int) and float in types)


def _is_finite(value: Any) -> bool:
    """Return whether a value, and each in it, can be recorded: JSON knows no infinity."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return all(map(_is_finite, inside)) and (not isinstance(value, int | float) or abs(value) <= sys.float_info.max)


def _types_of(node: ast.expr) -> tuple[type, ...]:
    """Return the types of an annotation such as `int | None` or `Optional[float]`; () where unknown."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = _types_of(node.left), _types_of(node.right)
        return left + right if left and right else ()
    if isinstance(node, ast.Subscript):
        inner = _types_of(node.slice)
        optional = ast.unparse(node.value).rpartition(".")[2] == "Optional"
        return (*inner, type(None)) if optional and inner else _types_of(node.value)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _types_of(ast.parse(node.value, mode="eval").body)
    kind = _TYPES.get(ast.unparse(node))
    return (kind,) if kind else ()


def _check_weights(values: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Refuse a mode from pretrained weights where its model, given or the preset's, has none."""
    modes, presets = registry("labkit.simclr:MODES"), registry("labkit.simclr:PRESETS")
    mode, preset, weights = values["mode"], values["preset"], values.get("weights")
    if defaults["mode"] not in modes or defaults["preset"] not in presets or not mode or not preset:
        return  # not a notebook of the SimCLR lab
    if modes[mode].weights != "pretrained":
        return
    model = values.get("model") or presets[preset].model
    if model not in registry("labkit.models:PRETRAINED"):
        raise LabError(
            f"mode={mode} starts from pretrained weights, and {model} (preset={preset}) has none: "
            "choose preset=dinov3, preset=tiny, or a mode from random weights (labkit modes)."
        )
    if weights and not model.startswith("dinov3_"):
        raise LabError(
            f"weights={weights} is for a DINOv3, and the weights of {model} come with the lab: "
            "add model=dinov3_vits16, or leave weights out."
        )
    if model == "dinov3_tiny" and not weights:
        raise LabError(f"mode={mode} with model=dinov3_tiny needs weights=PATH: the folder of its weights.")
    if model == "dinov3_vits16" and not weights and not (data_dir() / DINOV3).exists():
        raise LabError(
            f"mode={mode} starts from DINOv3, which is not in {data_dir() / DINOV3}: run "
            "`labkit fetch dinov3` (login node) first, or give weights=PATH."
        )


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
        if name is not None and not NAME.fullmatch(name):
            raise ValueError(NAME_RULE)
        return name


def make_spec(notebook: str | Path, **fields: Any) -> RunSpec:
    """Return the specification, or one sentence with what is wrong.

    fields: those of RunSpec. `parameters` may hold `Text` values, as typed on a command line.
    Raises LabError for a notebook that is not there, unknown parameters, values of a wrong type, and
    names and data that do not exist (see `check_meaning`).
    """
    path = find_notebook(notebook)
    cell = declared(read_notebook(path))
    given, seed = dict(fields.pop("parameters", None) or {}), fields.pop("seed", None)
    if seed is not None:
        if "seed" in given:
            raise LabError("seed is given twice: keep one.")
        given["seed"] = seed
    given = check(given, cell)
    given |= {name: os.path.expanduser(given[name]) for name in PATHS if isinstance(given.get(name), str)}
    defaults = {name: parameter.default for name, parameter in cell.items()}
    values = defaults | given
    check_meaning(given, defaults)
    root = repo_root().resolve()  # records name the notebook as one types it, and no home folder
    short = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    fields |= {"notebook": short, "parameters": given, "seed": values.get("seed"), "values": values}
    return RunSpec(**fields, source_sha256=sha256)


def read_spec(run: RunFolder) -> RunSpec:
    """Return the frozen specification of `run`. Raises LabError where it is missing or was damaged."""
    spec = run.read_spec()
    if not spec.get("notebook"):
        raise LabError(f"{run.spec_file} is missing or damaged: there is no such run to execute.")
    return RunSpec(**spec)


def freeze(spec: RunSpec) -> RunFolder:
    """Create the run folder with specification and notebook as they are now. Raises LabError where it is there."""
    path = find_notebook(spec.notebook)
    content = path.read_bytes()
    run = RunFolder(runs_dir() / (spec.name or fresh_id(path.stem)))
    frozen = spec.model_copy(update={"name": run.id, "source_sha256": hashlib.sha256(content).hexdigest()})
    run.create(frozen.model_dump())
    atomic_write(run.source, content)
    return run


def plain_name(text: str) -> str:
    """Return `text` as the id of a run may hold it: without accents, blanks, brackets, other alphabets."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", ascii_only).strip("-.")[:100] or "notebook"


def fresh_id(stem: str) -> str:
    """Return `<stem>-<yyyymmdd-hhmmss>-<four letters>`, an id that nobody has."""
    return f"{plain_name(stem)}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


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
    """Return a notebook's JSON, in any UTF. Raises LabError where it is none, too old, or not of Python."""
    try:
        notebook = json.loads(path.read_bytes())
    except ValueError:
        notebook = None
    if isinstance(notebook, dict) and "worksheets" in notebook:
        convert = f"jupyter nbconvert --to notebook --inplace --nbformat 4 {shlex.quote(str(path))}"
        raise LabError(f"{path} is a notebook of an old format ({notebook.get('nbformat')}); convert it: {convert}")
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(map(_is_cell, cells)):
        raise LabError(f"{path} is no notebook (its JSON cannot be read): restore it from git and try again.")
    known = _dict(notebook.get("metadata"))
    language = _dict(known.get("language_info")).get("name") or _dict(known.get("kernelspec")).get("language")
    if language and not str(language).lower().startswith(("python", "ipython")):
        raise LabError(f"{path} is a notebook of {language}, and labkit runs Python; choose a Python notebook.")
    return notebook


def _is_cell(cell: Any) -> bool:
    source = cell.get("source") if isinstance(cell, dict) else None
    texts = source if isinstance(source, list) else [source]
    known = (
        isinstance(cell, dict) and isinstance(cell.get("cell_type"), str) and isinstance(cell.get("metadata", {}), dict)
    )
    return known and all(isinstance(text, str) for text in texts)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


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
