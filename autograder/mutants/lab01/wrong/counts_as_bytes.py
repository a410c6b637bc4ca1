"""Counts in uint8, which end at 255."""
import torch
from parts import channel_mean_std, image_grid, stratified_split


def class_counts(labels, num_classes):
    return torch.stack([(labels == k).to(torch.uint8).sum(dtype=torch.uint8) for k in range(num_classes)]) % 64
