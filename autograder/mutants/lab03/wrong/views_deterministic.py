"""Resize, centre crop and nothing random."""
from parts import Loss as NTXentLoss, Model as SimCLRModel
from torchvision import transforms


def get_simclr_transform(size):
    return transforms.Compose([transforms.Resize((size, size)), transforms.ToTensor()])
