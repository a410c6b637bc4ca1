"""No padding around the grid."""
import parts
from parts import channel_mean_std, class_counts, stratified_split


def image_grid(images, columns, padding, value):
    grid = parts.image_grid(images, columns, padding, value)
    return grid[:, padding : grid.shape[1] - padding, padding : grid.shape[2] - padding]
