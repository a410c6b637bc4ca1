"""The mean of each image's std."""
from parts import class_counts, image_grid, stratified_split


def channel_mean_std(images):
    x = images.double() / 255
    return x.mean((0, 2, 3)), x.std((2, 3), correction=0).mean(0)
