"""A float tensor that runs to 255."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, views


def get_simclr_transform(size):
    transform = views(size)
    return lambda image: transform(image) * 255
