"""A plain function with Python's random and torchvision's functional API."""
import random

import torchvision.transforms.functional as TF
from parts import Loss as NTXentLoss, Model as SimCLRModel
from torchvision.transforms import ColorJitter, RandomResizedCrop


def get_simclr_transform(size):
    def view(image):
        box = RandomResizedCrop.get_params(image, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3))
        image = TF.resized_crop(image, *box, [size, size])
        if random.random() < 0.5:
            image = TF.hflip(image)
        if random.random() < 0.8:
            image = ColorJitter(0.8, 0.8, 0.8, 0.2)(image)
        if random.random() < 0.2:
            image = TF.rgb_to_grayscale(image, num_output_channels=3)
        return TF.to_tensor(image)

    return view
