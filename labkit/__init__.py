"""labkit: the small library that the course's notebooks stand on. Its rooms load when they are first used."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from labkit import dynamo

if TYPE_CHECKING:
    from labkit import data, evaluate, losses, models, plots, train, transforms

__version__ = "0.1.0"
__all__ = ["data", "evaluate", "losses", "models", "plots", "train", "transforms"]


def lazy(package: str, homes: dict[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` (PEP 562) of a package whose names load when they are first used.

    homes: name -> the submodule that defines it ("": the name is itself a submodule). `import labkit` and the command
    line then stay quick, as torch is imported by the rooms that compute.
    """

    def __getattr__(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = homes[name]
        return getattr(import_module(f"{package}.{home}"), name) if home else import_module(f"{package}.{name}")

    return __getattr__, lambda: sorted(homes)


def resolve(entry: Any) -> Any:
    """Return what an entry of a registry stands for: "module:name" is imported now, anything else is it itself."""
    if not isinstance(entry, str):
        return entry
    module, _, name = entry.partition(":")
    return getattr(import_module(module), name)


__getattr__, __dir__ = lazy(__name__, dict.fromkeys(__all__, ""))
dynamo.postpone()
