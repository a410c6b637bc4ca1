"""All crops are square."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, colour
from torchvision import transforms as T


def get_simclr_transform(size):
    crop = T.RandomResizedCrop(size, ratio=(1, 1))
    return T.Compose([crop, T.RandomHorizontalFlip(), *colour(), T.ToTensor()])
