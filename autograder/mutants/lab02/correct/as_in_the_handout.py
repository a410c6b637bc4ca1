"""All parts as the handout describes them."""
from parts import AlexNet, ResNet18, ResNetBlock, epoch_throughput, throughput
