"""Training: one loop, `fit`, for every model of the course; what varies comes in as an argument."""

from typing import TYPE_CHECKING

from labkit import lazy

if TYPE_CHECKING:
    from labkit.train.config import TrainConfig
    from labkit.train.loop import History, fit, load_best
    from labkit.train.step import contrastive, supervised

__all__ = ["History", "TrainConfig", "contrastive", "fit", "load_best", "supervised"]

_HOMES = {"TrainConfig": "config", "contrastive": "step", "supervised": "step"}
__getattr__, __dir__ = lazy(__name__, dict.fromkeys(__all__, "loop") | _HOMES)
