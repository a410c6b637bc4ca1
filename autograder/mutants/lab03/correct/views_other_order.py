"""Tensor first, grey before jitter, flip last, normalised with ImageNet's constants."""
from parts import Loss as NTXentLoss, Model as SimCLRModel
from torchvision import transforms as T


def get_simclr_transform(size=224):
    return T.Compose([
        T.ToTensor(),
        T.RandomGrayscale(p=0.2),
        T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
        T.RandomResizedCrop((size, size), scale=(0.08, 1.0), interpolation=T.InterpolationMode.BICUBIC),
        T.RandomHorizontalFlip(0.5),
        T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])
