"""Resized without a crop."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, colour
from torchvision import transforms


def get_simclr_transform(size):
    return transforms.Compose([transforms.Resize((size, size)), transforms.RandomHorizontalFlip(), *colour(),
                               transforms.ToTensor()])
