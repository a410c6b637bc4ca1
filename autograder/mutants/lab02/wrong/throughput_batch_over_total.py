"""One batch over the time of all steps."""
import parts
from parts import AlexNet, ResNet18, ResNetBlock, epoch_throughput


def throughput(step, batch_size, **options):
    return parts.throughput(step, batch_size, **options) / options["repeats"]
