"""No colour jitter."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, geometry
from torchvision import transforms


def get_simclr_transform(size):
    return transforms.Compose([*geometry(size), transforms.RandomGrayscale(0.2), transforms.ToTensor()])
