"""The weakest jitter that the handout accepts, s = 0.5; everything on tensors."""
from parts import Loss as NTXentLoss, Model as SimCLRModel
from torch import nn
from torchvision import transforms as T


def get_simclr_transform(size):
    colour = T.RandomApply(nn.ModuleList([T.ColorJitter(0.4, 0.4, 0.4, 0.1)]), p=0.8)
    steps = [T.RandomResizedCrop(size), T.RandomHorizontalFlip(), colour, T.RandomGrayscale(0.2)]
    return T.Compose([T.ToTensor(), nn.Sequential(*steps)])
