"""The registry of data sets and `load`, the one call that opens any of them."""

import inspect
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit import resolve
from labkit.run_folder import LabError, unknown_name

if TYPE_CHECKING:
    from labkit.data.splits import Dataset

# name -> its loader, "module:function" or the function itself: (root, *, image_size, seed, **own options) -> Source
DATASETS = {
    "shapes": "labkit.data.sources.embedded:shapes",
    "digits": "labkit.data.sources.embedded:digits",
    "cifar10": "labkit.data.sources.torchvision_sets:cifar10",
    "cifar100": "labkit.data.sources.torchvision_sets:cifar100",
    "mnist": "labkit.data.sources.torchvision_sets:mnist",
    "fashion_mnist": "labkit.data.sources.torchvision_sets:fashion_mnist",
    "tiny_imagenet": "labkit.data.sources.tiny_imagenet:tiny_imagenet",
    "medium_imagenet": "labkit.data.sources.hdf5:medium_imagenet",
    "folder": "labkit.data.sources.folder:folder",
}


def load(
    name: str,
    *,
    root: str | Path | None = None,
    val_fraction: float = 0.1,
    seed: int = 0,
    image_size: int | None = None,
    limit: int | None = None,
    **options: Any,
) -> "Dataset":
    """Open a data set by name.

    Args:
        root: its folder or file (default: where `labkit fetch` puts it).
        val_fraction: the part of the training images held out for validation, stratified, where the set brings no
            validation split of its own.
        seed: chooses the held-out images (and draws `shapes`); the test split never depends on it.
        image_size: pixels per side, None for the set's own.
        limit: keep about this many images of train and val together, stratified.
        options: what the set itself offers (see its function in DATASETS).

    Raises:
        LabError: for any wrong input, and where the files are absent or damaged.
    """
    from labkit.data.splits import divide

    if name not in DATASETS:
        raise unknown_name("data set", name, DATASETS)
    loader = resolve(DATASETS[name])
    own = set(inspect.signature(loader).parameters)
    for option in set(options) - own:
        shared = set(inspect.signature(load).parameters) - {"name", "options"}
        raise unknown_name(f"option of {name}", option, own | shared)
    if not 0 <= val_fraction < 1:
        raise LabError(f"val_fraction is {val_fraction}; choose a part of the images from 0 to below 1.")
    if limit is not None and limit < 1:
        raise LabError(f"limit is {limit}; choose a number of images, or None for all.")
    if image_size is not None:
        if not isinstance(image_size, Integral) or isinstance(image_size, bool) or image_size < 1:
            raise LabError(f"image_size is {image_size!r}; give a whole number of pixels, at least 1, or None.")
        image_size = int(image_size)  # numpy's numbers are written otherwise
    source = loader(Path(root) if root else None, image_size=image_size, seed=seed, **options)
    return divide(name, source, val_fraction=val_fraction, seed=seed, limit=limit)
