"""Jitter without brightness."""
from parts import Loss as NTXentLoss, Model as SimCLRModel
from torchvision import transforms as T


def get_simclr_transform(size):
    return T.Compose([T.RandomResizedCrop(size), T.RandomHorizontalFlip(), T.RandomApply([T.ColorJitter(0, .8, .8, .2)], p=.8), T.RandomGrayscale(.2), T.ToTensor()])
