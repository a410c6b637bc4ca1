"""Takes the clock's seconds for milliseconds."""
import parts
from parts import AlexNet, ResNet18, ResNetBlock, epoch_throughput


def throughput(step, batch_size, **options):
    return 1000 * parts.throughput(step, batch_size, **options)
