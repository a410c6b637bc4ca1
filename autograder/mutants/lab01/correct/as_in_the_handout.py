"""All parts as the handout describes them."""
from parts import channel_mean_std, class_counts, image_grid, stratified_split


