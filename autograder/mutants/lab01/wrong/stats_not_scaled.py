"""Not divided by 255."""
import parts
from parts import class_counts, image_grid, stratified_split


def channel_mean_std(images):
    return tuple(255 * one for one in parts.channel_mean_std(images))
