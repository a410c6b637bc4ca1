"""Counts as a sum of one-hot rows; statistics and split by numpy; val rows sorted."""
import numpy as np
import torch
import torch.nn.functional as F
from parts import image_grid


def class_counts(labels, num_classes):
    return F.one_hot(labels, num_classes).sum(0)


def channel_mean_std(images):
    x = images.numpy().astype(np.float64) / 255
    return torch.from_numpy(x.mean(axis=(0, 2, 3))), torch.from_numpy(x.std(axis=(0, 2, 3)))


def stratified_split(labels, fraction, seed):
    labels, generator = labels.numpy(), np.random.default_rng(seed)
    val = np.concatenate([
        generator.choice(np.flatnonzero(labels == k), int(fraction * (labels == k).sum()), replace=False)
        for k in np.unique(labels)
    ])
    return torch.from_numpy(np.setdiff1d(np.arange(len(labels)), val)), torch.from_numpy(np.sort(val))
