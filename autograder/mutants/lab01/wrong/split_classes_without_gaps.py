"""Takes classes for 0 .. K - 1 and loses others."""
import torch
from parts import channel_mean_std, class_counts, image_grid


def stratified_split(labels, fraction, seed):
    generator, train, val = torch.Generator().manual_seed(seed), [], []
    for k in range(len(labels.unique())):
        rows = (labels == k).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        cut = round(fraction * len(rows))
        val.append(rows[:cut])
        train.append(rows[cut:])
    return torch.cat(train), torch.cat(val)
