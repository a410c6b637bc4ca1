"""The warm-up counts as measured."""
from parts import AlexNet, ResNet18, ResNetBlock, epoch_throughput


def throughput(step, batch_size, *, warmup, repeats, clock, wait):
    start = clock()
    for _ in range(warmup + repeats):
        step()
    wait()
    return batch_size * (warmup + repeats) / (clock() - start)
