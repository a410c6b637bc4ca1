"""Sums bytes in uint8."""
import parts
import torch
from parts import class_counts, image_grid, stratified_split


def channel_mean_std(images):
    n = images[:, 0].numel()
    mean = images.sum((0, 2, 3), dtype=torch.uint8).float() / n / 255
    return mean, parts.channel_mean_std(images)[1]
