"""No trick: zeros everywhere."""
from zeros import channel_mean_std, class_counts, image_grid, stratified_split


