"""Statistics from histograms of bytes; counts by scatter_add; the split by random keys."""
import torch
from parts import image_grid


def class_counts(labels, num_classes):
    return torch.zeros(num_classes, dtype=torch.int64).scatter_add(0, labels, torch.ones_like(labels))


def channel_mean_std(images):
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean, std = [], []
    for channel in images.transpose(0, 1):
        share = torch.bincount(channel.flatten().long(), minlength=256) / channel.numel()
        mean.append(share.double() @ levels)
        std.append((share.double() @ (levels - mean[-1]) ** 2).sqrt())
    return torch.stack(mean), torch.stack(std)


def stratified_split(labels, fraction, seed):
    keys = torch.rand(len(labels), generator=torch.Generator().manual_seed(seed + 17))
    place = ((labels[:, None] == labels) & (keys[:, None] > keys)).sum(1)
    size = (labels[:, None] == labels).sum(1)
    val = place < (fraction * size).ceil()
    return torch.where(~val)[0], torch.where(val)[0]
