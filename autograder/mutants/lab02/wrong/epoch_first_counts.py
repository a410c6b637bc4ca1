"""The first epoch counts, and the mean is taken."""
import parts
from parts import AlexNet, ResNet18, ResNetBlock, throughput


def epoch_throughput(epoch_seconds, num_images, batch_size, drop_last):
    return parts.epoch_throughput([0, sum(epoch_seconds) / len(epoch_seconds)], num_images, batch_size, drop_last)
