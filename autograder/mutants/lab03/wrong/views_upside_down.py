"""Mirrored top to bottom instead of left to right."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, colour
from torchvision import transforms


def get_simclr_transform(size):
    return transforms.Compose([transforms.RandomResizedCrop(size), transforms.RandomVerticalFlip(), *colour(),
                               transforms.ToTensor()])
