"""The seed is ignored: always the same split."""
import parts
from parts import channel_mean_std, class_counts, image_grid


def stratified_split(labels, fraction, seed):
    return parts.stratified_split(labels, fraction, 0)
