"""The same number of rows of each class."""
import torch
from parts import channel_mean_std, class_counts, image_grid


def stratified_split(labels, fraction, seed):
    generator, train, val = torch.Generator().manual_seed(seed), [], []
    cut = round(fraction * len(labels) / len(labels.unique()))
    for k in labels.unique():
        rows = (labels == k).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        val.append(rows[:cut])
        train.append(rows[cut:])
    return torch.cat(train), torch.cat(val)
