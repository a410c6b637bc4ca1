"""Crops from 20 % on, as CIFAR's recipes do, with strength 0.5."""
from parts import Loss as NTXentLoss, Model as SimCLRModel
from torchvision import transforms as T


def get_simclr_transform(size):
    return T.Compose([
        T.RandomResizedCrop(size, scale=(0.2, 1.0)),
        T.RandomHorizontalFlip(),
        T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
        T.RandomGrayscale(p=0.2),
        T.ToTensor(),
    ])
