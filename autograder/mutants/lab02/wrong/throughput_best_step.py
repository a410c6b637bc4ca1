"""The fastest step alone."""
from parts import AlexNet, ResNet18, ResNetBlock, epoch_throughput


def throughput(step, batch_size, *, warmup, repeats, clock, wait):
    for _ in range(warmup):
        step()
    wait()
    seconds = []
    for _ in range(repeats):
        start = clock()
        step()
        wait()
        seconds.append(clock() - start)
    return batch_size / min(seconds)
