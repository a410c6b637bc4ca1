"""Wrong parts, sent along with every file of attacks/: without its trick, each of them earns nothing."""

import torch


def class_counts(labels, num_classes):
    return torch.zeros(num_classes, dtype=torch.int64)


def channel_mean_std(images):
    return torch.zeros(images.shape[1]), torch.zeros(images.shape[1])


def stratified_split(labels, fraction, seed):
    return torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)


def image_grid(images, columns, padding, value):
    return torch.zeros(1, 1, 1)
