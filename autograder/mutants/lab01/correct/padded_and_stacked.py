"""The grid by padding, reshape and permute; statistics in two passes over images."""
import torch
import torch.nn.functional as F
from parts import class_counts, stratified_split


def image_grid(images, columns, padding, value):
    n, c, h, w = images.shape
    rows = (n + columns - 1) // columns
    empty = torch.full((rows * columns - n, c, h, w), value, dtype=images.dtype)
    cells = F.pad(torch.cat([images, empty]), (padding, 0, padding, 0), value=value)
    cells = cells.view(rows, columns, c, h + padding, w + padding).permute(2, 0, 3, 1, 4)
    return F.pad(cells.reshape(c, rows * (h + padding), -1), (0, padding, 0, padding), value=value)


def channel_mean_std(images):
    mean = sum(one.double().mean((1, 2)) for one in images) / len(images) / 255
    square = sum(((one / 255.0 - mean[:, None, None].float()) ** 2).mean((1, 2)) for one in images) / len(images)
    return mean.float(), square.sqrt()
