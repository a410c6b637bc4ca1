"""Fills the columns first."""
from parts import channel_mean_std, class_counts, stratified_split


def image_grid(images, columns, padding, value):
    n, c, h, w = images.shape
    rows = -(-n // columns)
    grid = images.new_full((c, rows * (h + padding) + padding, columns * (w + padding) + padding), value)
    for i, image in enumerate(images):
        y, x = i % rows * (h + padding) + padding, i // rows * (w + padding) + padding
        grid[:, y : y + h, x : x + w] = image
    return grid
