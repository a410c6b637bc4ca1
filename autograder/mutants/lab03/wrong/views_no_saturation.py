"""The jitter leaves the saturation alone."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, geometry
from torchvision import transforms as T


def get_simclr_transform(size):
    colour = [T.RandomApply([T.ColorJitter(0.8, 0.8, 0, 0.2)], p=0.8), T.RandomGrayscale(0.2)]
    return T.Compose([*geometry(size), *colour, T.ToTensor()])
