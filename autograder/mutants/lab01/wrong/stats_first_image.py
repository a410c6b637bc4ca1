"""The first image alone."""
import parts
from parts import class_counts, image_grid, stratified_split


def channel_mean_std(images):
    return parts.channel_mean_std(images[:1])
