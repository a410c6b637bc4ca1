"""Returns places within the class, not rows."""
import torch
from parts import channel_mean_std, class_counts, image_grid


def stratified_split(labels, fraction, seed):
    generator, train, val = torch.Generator().manual_seed(seed), [], []
    for k in labels.unique():
        order = torch.randperm(int((labels == k).sum()), generator=generator)
        cut = round(fraction * len(order))
        val.append(order[:cut])
        train.append(order[cut:])
    return torch.cat(train), torch.cat(val)
