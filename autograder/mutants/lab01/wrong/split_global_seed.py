"""Seeds torch's global generator."""
import parts
import torch
from parts import channel_mean_std, class_counts, image_grid


def stratified_split(labels, fraction, seed):
    torch.manual_seed(seed)
    return parts.stratified_split(labels, fraction, int(torch.randint(10**9, ())))
