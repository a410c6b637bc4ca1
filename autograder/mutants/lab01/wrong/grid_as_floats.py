"""The grid of bytes is made of floats."""
import parts
from parts import channel_mean_std, class_counts, stratified_split


def image_grid(images, columns, padding, value):
    return parts.image_grid(images.float(), columns, padding, value)
