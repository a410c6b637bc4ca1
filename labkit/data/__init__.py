"""Data sets for every lab: load("shapes"), fetch("cifar10"), and the batches that training reads."""

from typing import TYPE_CHECKING

from labkit import lazy

if TYPE_CHECKING:
    from labkit.data.batches import Batches
    from labkit.data.datasets import DATASETS, load
    from labkit.data.download import fetch
    from labkit.data.splits import Dataset, Split

__all__ = ["DATASETS", "Batches", "Dataset", "Split", "fetch", "load"]

_HOMES = {"load": "datasets", "DATASETS": "datasets", "Dataset": "splits", "Split": "splits", "Batches": "batches"}
__getattr__, __dir__ = lazy(__name__, _HOMES | {"fetch": "download"})
