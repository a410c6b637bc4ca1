"""E[x^2] - E[x]^2 in float32: cancels where images are nearly flat."""
from parts import class_counts, image_grid, stratified_split


def channel_mean_std(images):
    x = images.float() / 255
    mean = x.mean((0, 2, 3))
    return mean, ((x**2).mean((0, 2, 3)) - mean**2).clamp_min(0).sqrt()
