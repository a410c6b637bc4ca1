"""Augmentation of whole batches on any device, with random numbers of its own for every image."""
