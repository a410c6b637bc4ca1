"""Numpy for the numbers; a one-element tensor and a numpy float come back."""
import numpy as np
import torch
from parts import AlexNet, ResNet18, ResNetBlock


def epoch_throughput(epoch_seconds, num_images, batch_size, drop_last):
    rest = np.asarray(epoch_seconds if len(epoch_seconds) == 1 else epoch_seconds[1:])
    return (num_images - (num_images % batch_size if drop_last else 0)) / np.median(rest)


def throughput(step, batch_size, *, warmup, repeats, clock, wait):
    [step() for _ in range(warmup)]
    wait()
    t0 = clock()
    [step() for _ in range(repeats)]
    wait()
    return torch.tensor(repeats * batch_size / (clock() - t0), dtype=torch.float64)
