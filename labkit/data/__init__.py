"""Data sets for every lab: load("shapes"), fetch("cifar10"), and the batches that training reads."""

from importlib import import_module

from labkit.data.download import fetch

_HOMES = {"load": "datasets", "DATASETS": "datasets", "Dataset": "splits", "Split": "splits", "Batches": "batches"}
__all__ = ["DATASETS", "Batches", "Dataset", "Split", "fetch", "load"]


def __getattr__(name: str):
    """Import torch only when a data set is asked for (PEP 562), so that the command line stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
