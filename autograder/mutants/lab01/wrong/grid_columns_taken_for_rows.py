"""Takes the number of columns for the number of rows."""
import parts
from parts import channel_mean_std, class_counts, stratified_split


def image_grid(images, columns, padding, value):
    return parts.image_grid(images, -(-len(images) // columns), padding, value)
