"""transforms.v2, starting from a tensor image."""
import torch
from parts import Loss as NTXentLoss, Model as SimCLRModel
from torchvision.transforms import v2


def get_simclr_transform(size):
    return v2.Compose([
        v2.ToImage(),
        v2.RandomResizedCrop(size, antialias=True),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(0.8, 0.8, 0.8, 0.2)], p=0.8),
        v2.RandomGrayscale(p=0.2),
        v2.ToDtype(torch.float32, scale=True),
    ])
