"""The crop keeps 80 % to 100 % of the image."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, colour
from torchvision import transforms


def get_simclr_transform(size):
    return transforms.Compose([transforms.RandomResizedCrop(size, scale=(0.8, 1.0)),
                               transforms.RandomHorizontalFlip(), *colour(), transforms.ToTensor()])
