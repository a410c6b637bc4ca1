"""Drawn with replacement: rows appear twice."""
import torch
from parts import channel_mean_std, class_counts, image_grid


def stratified_split(labels, fraction, seed):
    generator, train, val = torch.Generator().manual_seed(seed), [], []
    for k in labels.unique():
        rows = (labels == k).nonzero().flatten()
        cut = round(fraction * len(rows))
        val.append(rows[torch.randint(len(rows), (cut,), generator=generator)])
        train.append(rows[torch.randint(len(rows), (len(rows) - cut,), generator=generator)])
    return torch.cat(train), torch.cat(val)
