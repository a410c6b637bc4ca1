"""Image files of any kind and size decoded to square uint8 RGB arrays, by several threads."""

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.data.progress import progress_bar
from labkit.run_folder import LabError, usable_cores

GROUP = 64  # files per task: fewer would spend the time on handing out tasks
JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
SUFFIXES = {*JPEG, *".png .apng .bmp .dib .gif .webp .avif .ppm .pgm .pbm .pnm .tif .tiff .jp2 .j2k .jpx .tga".split()}


def read_image(file: Path | str) -> Tensor:
    """Return one image as a viewer shows it, uint8 (3, H, W): upright, on white where it is transparent.

    Raises LabError, naming the file, where it is missing, cut short, no image, or of values without a known range.
    """
    import torchvision.io as io
    from PIL import Image, ImageOps

    try:
        if os.fspath(file).lower().endswith(JPEG):
            with suppress(RuntimeError):  # PIL reads more kinds of JPEG, and decides what is broken
                coded = torch.from_numpy(np.fromfile(file, np.uint8))
                return io.decode_jpeg(coded, io.ImageReadMode.RGB, apply_exif_orientation=True)
        with warnings.catch_warnings(), Image.open(file) as image:
            warnings.simplefilter("ignore")
            upright = ImageOps.exif_transpose(image)
            if image.mode[0] in "IF":  # more than 8 bits: convert() would clip them
                return _gray(np.asarray(upright), image).expand(3, -1, -1)
            if image.has_transparency_data:
                drawing = upright.convert("RGBA")
                upright = Image.new("RGBA", drawing.size, "white")
                upright.alpha_composite(drawing)
            pixels = np.array(upright.convert("RGB"))
    except FileNotFoundError as error:
        raise LabError(f"Image {file} is missing; unpack the data set again.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(file, error) from error
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _gray(values: np.ndarray, image) -> Tensor:
    """Return gray values of 16 bits, or floats in [0, 1], as uint8 (H, W); raise ValueError for any others."""
    top, low, high = 1 if image.mode == "F" else 2**16 - 1, values.min(), values.max()
    if (image.mode, image.format) == ("I", "TIFF") or not 0 <= low <= high <= top:  # not: NaN fails, too
        raise ValueError(f"gray values of mode {image.mode} from {low} to {high}: save it with 8 or 16 bits")
    levels = np.where(values == image.info.get("transparency"), 255, values * (255 / top))
    return torch.from_numpy(np.round(levels).astype(np.uint8))


def _unreadable(file: Path | str, error: Exception) -> LabError:
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


def decoded(files: Sequence[str], *, size: int, exact: bool, text: str) -> Iterator[np.ndarray]:
    """Yield uint8 (n, 3, size, size) parts of all files in order.

    exact: refuse, naming the file, an image of another size instead of scaling it.
    """

    def work(group: Sequence[str]) -> np.ndarray:
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
