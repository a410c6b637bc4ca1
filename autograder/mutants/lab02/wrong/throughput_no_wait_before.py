"""The warm-up's work is still queued when the clock starts."""
from parts import AlexNet, ResNet18, ResNetBlock, epoch_throughput


def throughput(step, batch_size, *, warmup, repeats, clock, wait):
    for _ in range(warmup):
        step()
    start = clock()
    for _ in range(repeats):
        step()
    wait()
    return batch_size * repeats / (clock() - start)
