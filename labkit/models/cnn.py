"""The CIFAR-10 study's CNN: six 3x3 convolutions, no BatchNorm; 5,851,338 parameters for 10 classes.

After a Kaggle notebook (shadabhussain, cifar-10-cnn-using-pytorch). Test accuracy in the study: .745 plain,
.862 normalized and augmented. Without normalization layers gradients are near zero at the start: some seeds (the
study's batch size 64 among them) stay at a loss of ln 10 for all epochs. That is a lesson here, so it stays.
"""

from torch import Tensor, nn

from labkit.models.heads import last_layer, need_size


def double_convolution(in_width: int, middle: int, width: int) -> list[nn.Module]:
    """Return two convolutions with ReLU, then pooling: (B, in_width, S, S) -> (B, width, S/2, S/2)."""
    return [
        nn.Conv2d(in_width, middle, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(middle, width, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    ]


class CNN(nn.Module):
    """Six convolutions, three linear layers; images (B, C, S, S) of 8 px or more -> (B, num_classes), or (B, 512)."""

    num_features = 512

    def __init__(self, *, num_classes: int | None = 10, image_size: int = 32, channels: int = 3):
        super().__init__()
        need_size("cnn", image_size, smallest=8)
        self.num_classes, self.image_size, self.channels = num_classes, image_size, channels
        self.maps = nn.Sequential(
            *double_convolution(channels, 32, 64),
            *double_convolution(64, 128, 128),
            *double_convolution(128, 256, 256),
            nn.Flatten(),
        )
        side = image_size // 8
        self.hidden = nn.Sequential(
            nn.Linear(256 * side * side, 1024),
            nn.ReLU(inplace=True),
            nn.Linear(1024, self.num_features),
            nn.ReLU(inplace=True),
        )
        self.head = last_layer(self.num_features, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.hidden(self.maps(images)))
