"""Returns labels, not rows."""
import parts
from parts import channel_mean_std, class_counts, image_grid


def stratified_split(labels, fraction, seed):
    return tuple(labels[rows] for rows in parts.stratified_split(labels, fraction, seed))
