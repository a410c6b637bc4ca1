"""Counts images that drop_last left out."""
import parts
from parts import AlexNet, ResNet18, ResNetBlock, throughput


def epoch_throughput(epoch_seconds, num_images, batch_size, drop_last):
    return parts.epoch_throughput(epoch_seconds, num_images, batch_size, False)
