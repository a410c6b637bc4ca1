"""Hands in the course library's own models."""
from labkit.models import build
from zeros import ResNet18, ResNetBlock, epoch_throughput, throughput


def AlexNet(num_classes):
    return build("alexnet", num_classes=num_classes, image_size=70)
