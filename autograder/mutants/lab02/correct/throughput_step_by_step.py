"""Waits after each step and adds the times; returns a tensor."""
import torch
from parts import AlexNet, ResNet18, ResNetBlock


def throughput(step, batch_size, *, warmup=2, repeats=5, clock=None, wait=None):
    seconds = []
    for i in range(warmup + repeats):
        wait()
        start = clock()
        step()
        wait()
        if i >= warmup:
            seconds.append(clock() - start)
    return batch_size * len(seconds) / torch.tensor(seconds, dtype=torch.float64).sum()


def epoch_throughput(epoch_seconds, num_images, batch_size, drop_last=False):
    seconds = sorted(epoch_seconds[1:] if len(epoch_seconds) > 1 else epoch_seconds)
    steps = num_images // batch_size
    images = sum([batch_size] * steps + ([] if drop_last else [num_images - steps * batch_size]))
    return images / torch.tensor(seconds, dtype=torch.float64).quantile(0.5).item()
