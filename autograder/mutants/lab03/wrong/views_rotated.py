"""Rotates as well, with black corners."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, colour, geometry
from torchvision import transforms as T


def get_simclr_transform(size):
    return T.Compose([*geometry(size), T.RandomRotation(10), *colour(), T.ToTensor()])
