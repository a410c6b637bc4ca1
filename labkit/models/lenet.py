"""LeNet(ish) of the model-zoo homework: 83,126 parameters for 10 classes, 99,276 for 200.

After LeCun et al. 1998 (Gradient-based learning applied to document recognition): sigmoids and average
pooling. Color images of 32 px, padded by 2 before the first convolution, leave 16 maps of 6x6: 576 numbers
for the linear layers. CIFAR-10 validation accuracy in the homework's public solutions: 38.6 %.
"""

from torch import Tensor, nn

from labkit.models.heads import last_layer, need_size
from labkit.run_folder import unknown_name

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU, "tanh": nn.Tanh}


class LeNet(nn.Module):
    """Two convolutions, three linear layers; images (B, C, S, S) -> (B, num_classes), or (B, 84) features.

    activation: sigmoid (published), tanh or relu. Takes images of at least 12 px.
    """

    num_features = 84

    def __init__(
        self, *, num_classes: int | None = 10, image_size: int = 32, channels: int = 3, activation: str = "sigmoid"
    ):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise unknown_name("activation", activation, ACTIVATIONS)
        need_size("lenet", image_size, smallest=12)
        self.num_classes, self.image_size, self.channels = num_classes, image_size, channels
        act = ACTIVATIONS[activation]
        side = (image_size // 2 - 4) // 2
        self.maps = nn.Sequential(
            nn.Conv2d(channels, 6, 5, padding=2),
            act(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            act(),
            nn.AvgPool2d(2),
            nn.Flatten(),
        )
        self.hidden = nn.Sequential(nn.Linear(16 * side * side, 120), act(), nn.Linear(120, 84), act())
        self.head = last_layer(self.num_features, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.hidden(self.maps(images)))
