"""train holds the rows of val as well."""
import parts
import torch
from parts import channel_mean_std, class_counts, image_grid


def stratified_split(labels, fraction, seed):
    return torch.arange(len(labels)), parts.stratified_split(labels, fraction, seed)[1]
