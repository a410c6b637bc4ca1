"""The std of the images' means."""
from parts import class_counts, image_grid, stratified_split


def channel_mean_std(images):
    x = images.double() / 255
    return x.mean((0, 2, 3)), x.mean((2, 3)).std(0, correction=0)
