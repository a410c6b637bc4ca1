"""Resize(size) sets the shorter side alone, after the crop kept its shape."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, colour
from torchvision import transforms


def get_simclr_transform(size):
    return transforms.Compose([transforms.Resize(size), transforms.RandomHorizontalFlip(), *colour(),
                               transforms.ToTensor()])
