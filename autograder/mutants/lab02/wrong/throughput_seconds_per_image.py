"""The reciprocal: seconds per image."""
import parts
from parts import AlexNet, ResNet18, ResNetBlock, epoch_throughput


def throughput(step, batch_size, **options):
    return 1 / parts.throughput(step, batch_size, **options)
