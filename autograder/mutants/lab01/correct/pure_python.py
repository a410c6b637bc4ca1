"""random.Random, lists, loops; lists of rows come back; prints."""
import random
import torch
from parts import channel_mean_std, image_grid


def class_counts(labels, num_classes):
    counts = [0] * num_classes
    for label in labels.tolist():
        counts[label] += 1
    print("counts", counts)
    return torch.tensor(counts, dtype=torch.int32)


def stratified_split(labels, fraction, seed):
    shuffle, train, val = random.Random(seed), [], []
    for k in sorted(set(labels.tolist())):
        rows = [i for i, label in enumerate(labels.tolist()) if label == k]
        shuffle.shuffle(rows)
        cut = max(1, int(fraction * len(rows) + 0.5))
        val += rows[:cut]
        train += rows[cut:]
    shuffle.shuffle(train)
    return [train, val]
