"""Augmentation of whole batches on any device, with random numbers of its own for every image."""

from labkit.augment.simclr import simclr_view
from labkit.augment.supervised import supervised
from labkit.pixels import Augmentation

__all__ = ["Augmentation", "simclr_view", "supervised"]
