"""Image files of any kind and size decoded to square uint8 RGB arrays, by several threads."""

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.data.progress import progress_bar
from labkit.run_folder import LabError, usable_cores

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}
GROUP = 64  # files per task: fewer would spend the time on handing out tasks


def read_image(file: Path) -> Tensor:
    """Return one image as uint8 (3, H, W), upright; gray and palette images are converted.

    Raises LabError, naming the file, where it is missing, cut short or no image.
    """
    import torchvision.io as io
    from PIL import Image, ImageOps

    if os.path.splitext(file)[1].lower() in {".jpg", ".jpeg"}:
        try:
            return io.decode_jpeg(io.read_file(str(file)), io.ImageReadMode.RGB, apply_exif_orientation=True)
        except RuntimeError:
            pass  # PIL reads more kinds of JPEG, and decides what is broken
    try:
        with warnings.catch_warnings(), Image.open(file) as image:
            warnings.simplefilter("ignore")
            pixels = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except FileNotFoundError as error:
        raise LabError(f"Image {file} is missing; unpack the data set again.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(file, error) from error
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _unreadable(file: Path, error: Exception) -> LabError:
    return LabError(f"Cannot read image {file} ({error}); replace or delete it, then start again.")


def resized(images: Tensor, size: int) -> Tensor:
    """Scale uint8 (N, C, H, W) so that the shorter side is `size` and cut the middle: (N, C, size, size)."""
    height, width = images.shape[-2:]
    if (height, width) != (size, size):
        scale = size / min(height, width)
        target = (max(size, round(height * scale)), max(size, round(width * scale)))
        images = F.interpolate(images, size=target, mode="bilinear", antialias=True)
    top, left = (images.shape[-2] - size) // 2, (images.shape[-1] - size) // 2
    return images[..., top : top + size, left : left + size]


def native_size(file: Path) -> int:
    """Return the side of a square image, to be every image's; raise LabError where it is not square."""
    from PIL import Image

    try:
        with Image.open(file) as image:  # the header alone: a cached set opens without importing torchvision
            width, height = image.size
    except (OSError, SyntaxError, ValueError) as error:
        raise _unreadable(file, error) from error
    if height != width:
        raise LabError(f"Image {file} is {width}x{height}, not square; pass image_size, e.g. image_size=64.")
    return height


def decoded(files: Sequence[Path], *, size: int, exact: bool, text: str) -> Iterator[np.ndarray]:
    """Yield uint8 (n, 3, size, size) parts of all files in order.

    exact: refuse, naming the file, an image of another size instead of scaling it.
    """

    def work(group: Sequence[Path]) -> np.ndarray:
        squares = []
        for file in group:
            image = read_image(file)
            if exact and image.shape[1:] != (size, size):
                raise LabError(
                    f"Images differ in size: {file} is {image.shape[2]}x{image.shape[1]}, the first {size}x{size}; "
                    f"pass image_size={size} to scale them all."
                )
            squares.append(resized(image[None], size).numpy())
        return np.concatenate(squares)

    groups = [files[i : i + GROUP] for i in range(0, len(files), GROUP)]
    with ThreadPoolExecutor(usable_cores()) as pool:
        try:
            yield from progress_bar(pool.map(work, groups), total=len(files), text=text, unit="images")
        finally:
            pool.shutdown(cancel_futures=True)  # the first broken file ends the work
