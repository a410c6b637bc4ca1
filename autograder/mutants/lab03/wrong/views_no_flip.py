"""Never mirrored."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, colour
from torchvision import transforms


def get_simclr_transform(size):
    return transforms.Compose([transforms.RandomResizedCrop(size), *colour(), transforms.ToTensor()])
