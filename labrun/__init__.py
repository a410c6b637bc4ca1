"""Runs, from a wish (notebook + parameters) to a finished record. No torch: commands answer at once."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labrun.spec import RunSpec, freeze, make_spec
    from labrun.sweeps import sweep

_WHERE = {"sweep": "sweeps", "RunSpec": "spec", "freeze": "spec", "make_spec": "spec"}

__all__ = ["RunSpec", "freeze", "make_spec", "sweep"]


def __getattr__(name: str):
    """Load `sweep`, `RunSpec`, `make_spec` or `freeze` when first asked for: `labkit status` needs none."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
