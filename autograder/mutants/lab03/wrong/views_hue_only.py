"""The jitter turns the hue alone."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, geometry
from torchvision import transforms


def get_simclr_transform(size):
    jitter = transforms.ColorJitter(hue=0.2)
    return transforms.Compose([*geometry(size), transforms.RandomApply([jitter], p=0.8),
                               transforms.RandomGrayscale(0.2), transforms.ToTensor()])
