"""Shuffles all rows at once: classes in proportion only by luck."""
import torch
from parts import channel_mean_std, class_counts, image_grid


def stratified_split(labels, fraction, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    cut = round(fraction * len(labels))
    return order[cut:], order[:cut]
