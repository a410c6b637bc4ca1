"""With the paper's blur and normalisation to [-1, 1]."""
from parts import Loss as NTXentLoss, Model as SimCLRModel, colour, geometry
from torchvision import transforms as T


def get_simclr_transform(size):
    blur = T.GaussianBlur(kernel_size=max(3, size // 10 // 2 * 2 + 1), sigma=(0.1, 2.0))
    return T.Compose([*geometry(size), *colour(), T.RandomApply([blur], p=0.5), T.ToTensor(),
                      T.Normalize([0.5] * 3, [0.5] * 3)])
