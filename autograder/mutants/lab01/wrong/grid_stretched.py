"""Stretches contrast: each grid runs from 0 to 1."""
import parts
from parts import channel_mean_std, class_counts, stratified_split


def image_grid(images, columns, padding, value):
    return parts.image_grid(images / images.max(), columns, padding, value)
