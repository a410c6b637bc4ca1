"""Transforms: per sample, as torchvision's users know them, and batched on any device (the fast path)."""

from typing import TYPE_CHECKING

from labkit import lazy

if TYPE_CHECKING:
    from labkit.transforms.batched.augmentation import Augmentation
    from labkit.transforms.batched.simclr import simclr_view
    from labkit.transforms.batched.supervised import supervised
    from labkit.transforms.per_sample import get_simclr_transform, get_supervised_transform

__all__ = ["Augmentation", "get_simclr_transform", "get_supervised_transform", "simclr_view", "supervised"]

_HOMES = dict.fromkeys(("get_simclr_transform", "get_supervised_transform"), "per_sample")
_HOMES |= {"Augmentation": "batched.augmentation", "simclr_view": "batched.simclr", "supervised": "batched.supervised"}
__getattr__, __dir__ = lazy(__name__, _HOMES)
