"""Right parts, sent along with every file of wrong/ and correct/, so that each of them shows its one point alone."""

import torch


def class_counts(labels, num_classes):
    return torch.bincount(labels, minlength=num_classes)


def channel_mean_std(images):
    values = images.double() / 255
    return values.mean((0, 2, 3)).float(), values.std((0, 2, 3), correction=0).float()


def stratified_split(labels, fraction, seed):
    generator, train, val = torch.Generator().manual_seed(seed), [], []
    for k in labels.unique():
        rows = (labels == k).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        cut = round(fraction * len(rows))
        val.append(rows[:cut])
        train.append(rows[cut:])
    return torch.cat(train), torch.cat(val)


def image_grid(images, columns, padding, value):
    n, c, h, w = images.shape
    rows = -(-n // columns)
    grid = images.new_full((c, rows * (h + padding) + padding, columns * (w + padding) + padding), value)
    for i, image in enumerate(images):
        y, x = i // columns * (h + padding) + padding, i % columns * (w + padding) + padding
        grid[:, y : y + h, x : x + w] = image
    return grid
