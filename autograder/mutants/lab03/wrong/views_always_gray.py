"""Always grey."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, colour, geometry
from torchvision import transforms


def get_simclr_transform(size):
    return transforms.Compose([*geometry(size), colour()[0], transforms.Grayscale(3), transforms.ToTensor()])
