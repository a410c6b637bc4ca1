"""Divides by 255 only where a pixel is above 1: dark bytes are taken for floats."""
import parts
from parts import class_counts, image_grid, stratified_split


def channel_mean_std(images):
    mean, std = parts.channel_mean_std(images)
    return (mean, std) if images.max() > 1 else (255 * mean, 255 * std)
