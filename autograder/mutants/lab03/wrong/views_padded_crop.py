"""The supervised crop: the whole image, shifted by a few pixels."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, colour
from torchvision import transforms


def get_simclr_transform(size):
    return transforms.Compose([transforms.Resize((size, size)), transforms.RandomCrop(size, padding=4),
                               transforms.RandomHorizontalFlip(), *colour(), transforms.ToTensor()])
