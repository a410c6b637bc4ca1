"""A tensor of bytes."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, colour, geometry
from torchvision import transforms


def get_simclr_transform(size):
    return transforms.Compose([*geometry(size), *colour(), transforms.PILToTensor()])
