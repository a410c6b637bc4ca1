"""Jitter in every view instead of four out of five."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, geometry
from torchvision import transforms


def get_simclr_transform(size):
    return transforms.Compose([*geometry(size), transforms.ColorJitter(0.8, 0.8, 0.8, 0.2),
                               transforms.RandomGrayscale(0.2), transforms.ToTensor()])
