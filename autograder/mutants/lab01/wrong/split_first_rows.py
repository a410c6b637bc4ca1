"""The first rows of each class, unshuffled."""
import torch
from parts import channel_mean_std, class_counts, image_grid


def stratified_split(labels, fraction, seed):
    train, val = [], []
    for k in labels.unique():
        rows = (labels == k).nonzero().flatten()
        cut = round(fraction * len(rows))
        val.append(rows[:cut])
        train.append(rows[cut:])
    return torch.cat(train), torch.cat(val)
