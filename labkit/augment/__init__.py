"""Augmentation of whole batches on any device, with random numbers of its own for every image."""

from labkit.augment.augmentation import Augmentation, Plain, Scale
from labkit.augment.supervised import supervised

__all__ = ["Augmentation", "Plain", "Scale", "supervised"]
