"""Which images a model can take: checked once, when it is built."""

from collections.abc import Sequence

from labkit.run_folder import LabError


def need_size(model: str, image_size: int, *, smallest: int) -> None:
    """Raise LabError where images have fewer than `smallest` pixels a side."""
    if image_size < smallest:
        raise LabError(
            f"{model} cannot take images of {image_size} px: they are too small for its layers. "
            f"Use image_size >= {smallest} (resize the images) or another model."
        )


def need_tiles(model: str, image_size: int, patch_size: int | Sequence[int]) -> None:
    """Raise LabError unless patches of `patch_size` (side, or height and width) tile the image."""
    sides = [patch_size] if isinstance(patch_size, int) else list(patch_size)
    if any(side < 1 or image_size < side or image_size % side for side in sides):
        size = " x ".join(map(str, sides))
        raise LabError(
            f"{model} divides images into patches of {size} px, which do not tile {image_size} px. Choose an "
            f"image_size that {size} divides; smaller images are resized to it."
        )
