"""The sample's std: divided by the number of pixels less one."""
from parts import class_counts, image_grid, stratified_split


def channel_mean_std(images):
    x = images.double() / 255
    return x.mean((0, 2, 3)), x.std((0, 2, 3))
