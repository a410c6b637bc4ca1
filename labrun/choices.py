"""What a run asks for, checked before it starts: names, numbers, folders, and whether mode and model fit.

A mistake would else be found by the notebook itself, on a cluster after hours in the queue.
"""

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from labkit.run_folder import DINOV3, LabError, data_dir, repo_root, unknown_name

# parameter: what it is called, the module and the dict whose keys are the valid names
REGISTRIES = {
    "dataset": ("data set", "labkit.data.datasets", "DATASETS"),
    "pretrain_dataset": ("data set", "labkit.data.datasets", "DATASETS"),
    "model": ("model", "labkit.models", "MODELS"),
    "mode": ("mode", "labkit.simclr", "MODES"),
    "preset": ("preset", "labkit.simclr", "PRESETS"),
}
PLACES = ("data_dir", "pretrain_dir", "weights")
# parameter: least value; None: above 0. Where the notebook's default is 0, that stands for its own value.
LEAST = {"max_steps": 1, "epochs": 1, "batch_size": 1, "seed": 0, "lr": None, "temperature": None}


def check(given: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Refuse a name that its registry does not have, a number out of range, a folder that is not there, and
    a mode from pretrained weights with a model that has none.

    given: what the user sets; defaults: the notebook's own values. A parameter that only happens to be called
    `model` is left alone: where the notebook's default is neither empty nor in the registry, it means its own
    things. Raises LabError.
    """
    for parameter, (kind, module, registry) in REGISTRIES.items():
        name, default = given.get(parameter), defaults.get(parameter)
        valid = names(module, registry) if name and name != default else ()
        if valid and (not default or default in valid) and name not in valid:
            raise unknown_name(kind, name, valid)
    for parameter in LEAST:
        _check_number(parameter, given.get(parameter), defaults.get(parameter))
    for parameter in PLACES:
        _check_place(parameter, given.get(parameter))
    _check_weights(defaults | given, defaults)


@cache
def names(module: str, registry: str) -> tuple[str, ...]:
    """Return the keys of a registry, read from its source: to import it would take seconds, for torch."""
    return tuple(_entries(module, registry))


@cache
def first_weights(mode: str) -> str:
    """Return what weights a mode of the SimCLR lab starts from: random or pretrained."""
    return ast.literal_eval(_entries("labkit.simclr", "MODES")[mode].args[0])


@cache
def model_of(preset: str) -> str:
    """Return the model of a preset of the SimCLR lab."""
    given = {one.arg: one.value for one in _entries("labkit.simclr", "PRESETS")[preset].keywords}
    return ast.literal_eval(given.get("model") or _default("labkit.simclr", "LabSettings", "model"))


def _entries(module: str, registry: str) -> dict[str, ast.expr]:
    for statement in _statements(module):
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == registry:
            keys = map(ast.literal_eval, statement.value.keys)
            return dict(zip(keys, statement.value.values, strict=True))
    raise LookupError(f"{module} has no dict {registry}")


def _default(module: str, name: str, field: str) -> ast.expr:
    for statement in _statements(module):
        for one in statement.body if isinstance(statement, ast.ClassDef) and statement.name == name else ():
            if isinstance(one, ast.AnnAssign) and ast.unparse(one.target) == field:
                return one.value
    raise LookupError(f"{module}.{name} has no {field}")


@cache
def _statements(module: str) -> list[ast.stmt]:
    return ast.parse(Path(find_spec(module).origin).read_text()).body


def _check_weights(values: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Refuse a mode from pretrained weights where its model, given or the preset's, has none."""
    mode, preset = defaults.get("mode"), defaults.get("preset")
    if mode not in names("labkit.simclr", "MODES") or preset not in names("labkit.simclr", "PRESETS"):
        return  # not a notebook of the SimCLR lab
    mode, preset, weights = values["mode"], values["preset"], values.get("weights")
    if not mode or not preset or first_weights(mode) != "pretrained":
        return
    model = values.get("model") or model_of(preset)
    if model not in names("labkit.models", "PRETRAINED"):
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


def _check_number(parameter: str, value: object, default: object) -> None:
    """Refuse a number out of range; one whose default is no number means something else."""
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in (value, default)):
        return
    least = LEAST[parameter]
    if value == default == 0:
        return
    if not (value > 0 if least is None else value >= least) or value == float("inf"):
        wanted = "above 0" if least is None else f"{least} or more"
        own = ", or 0 for the notebook's own" if default == 0 and least else ""
        raise LabError(f"{parameter}={value} cannot be: give a number {wanted}{own}.")


def _check_place(parameter: str, place: object) -> None:
    """Refuse a folder that is not there; a relative one counts from the repository, where notebooks run."""
    if isinstance(place, str) and place and not (repo_root() / Path(place).expanduser()).exists():
        raise LabError(
            f"{parameter}={place} does not exist: give the path of what is meant (absolute, or "
            f"from the repository {repo_root()})."
        )
