"""Divided by 255 once more after ToTensor."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, views


def get_simclr_transform(size):
    transform = views(size)
    return lambda image: transform(image) / 255
