"""What a run asks for by name, checked before it starts: data set, model, mode, preset, folder.

A wrong name would else be found by the notebook itself, on a cluster after hours in the queue.
"""

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from labkit.errors import LabError, unknown_name
from labkit.paths import repo_root

# parameter: what it is called, the module and the dict whose keys are the valid names
REGISTRIES = {
    "dataset": ("data set", "labkit.data.datasets", "DATASETS"),
    "corpus": ("data set", "labkit.data.datasets", "DATASETS"),
    "model": ("model", "labkit.models", "MODELS"),
    "mode": ("mode", "labkit.modes", "MODES"),
    "preset": ("preset", "labkit.modes", "PRESETS"),
}
PLACES = ("data_dir", "corpus_dir", "weights")


def check(given: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Refuse a name that its registry does not have, and a folder that is not there.

    given: what the user sets; defaults: the notebook's own values. A parameter that only happens to be called
    `model` is left alone: where the notebook's default is neither empty nor in the registry, it means its own
    things. Raises LabError.
    """
    for parameter, (kind, module, registry) in REGISTRIES.items():
        name, default = given.get(parameter), defaults.get(parameter)
        valid = names(module, registry) if name and name != default else ()
        if valid and (not default or default in valid) and name not in valid:
            raise unknown_name(kind, name, valid)
    for parameter in PLACES:
        _check_place(parameter, given.get(parameter))


@cache
def names(module: str, registry: str) -> tuple[str, ...]:
    """Return the keys of a registry, read from its source: to import it would take seconds, for torch."""
    source = Path(find_spec(module).origin).read_text()
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == registry:
            return tuple(ast.literal_eval(key) for key in statement.value.keys)
    raise LookupError(f"{module} has no dict {registry}")


def _check_place(parameter: str, place: object) -> None:
    """Refuse a folder that is not there; a relative one counts from the repository, where notebooks run."""
    if isinstance(place, str) and place and not (repo_root() / Path(place).expanduser()).exists():
        raise LabError(f"{parameter}={place} does not exist: give the path of what is meant (absolute, or "
                       f"from the repository {repo_root()}).")
