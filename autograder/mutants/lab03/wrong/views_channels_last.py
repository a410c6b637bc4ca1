"""(size, size, 3) instead of (3, size, size)."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, views


def get_simclr_transform(size):
    transform = views(size)
    return lambda image: transform(image).permute(1, 2, 0)
