"""Runs, from a request (notebook + parameters) to its results. No torch: commands answer at once."""

from typing import TYPE_CHECKING

from labkit import lazy

if TYPE_CHECKING:
    from labrun.spec import RunSpec, freeze, make_spec
    from labrun.sweeps import sweep

__all__ = ["RunSpec", "freeze", "make_spec", "sweep"]

__getattr__, __dir__ = lazy(__name__, {"sweep": "sweeps", "RunSpec": "spec", "freeze": "spec", "make_spec": "spec"})
