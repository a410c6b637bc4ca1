"""A RandomCrop of fixed size: always the same small part of the image."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, colour
from torchvision import transforms


def get_simclr_transform(size):
    return transforms.Compose([transforms.RandomCrop(size, pad_if_needed=True),
                               transforms.RandomHorizontalFlip(), *colour(), transforms.ToTensor()])
