"""Which images a model can take: asked once when it is built and once as a batch arrives."""

from torch import Tensor

from labkit.run_folder import LabError


def need_size(model: str, image_size: int, *, smallest: int) -> None:
    """Raise LabError where images have fewer than `smallest` pixels a side."""
    if image_size < smallest:
        raise LabError(
            f"{model} cannot take images of {image_size} px: they are too small for its layers. "
            f"Use image_size >= {smallest} (resize the images) or another model."
        )


def need_images(model: str, images: Tensor, *, channels: int, image_size: int) -> None:
    """Raise LabError unless images are (B, channels, image_size, image_size), as the model was built for."""
    expected = (channels, image_size, image_size)
    if images.dim() != 4 or tuple(images.shape[1:]) != expected:
        raise LabError(
            f"{model} was built for images of shape (B, {channels}, {image_size}, {image_size}) and got "
            f"{tuple(images.shape)}. Build it with the data set's channels and image_size."
        )


def need_channels(model: str, images: Tensor, *, channels: int) -> None:
    """Raise LabError unless images are (B, channels, H, W): for models that take any size."""
    if images.dim() != 4 or images.shape[1] != channels:
        raise LabError(
            f"{model} was built for images of shape (B, {channels}, H, W) and got {tuple(images.shape)}. "
            f"Build it with the data set's channels, and hand it whole batches."
        )
