"""The registry of data sets and `load`, the one call that opens any of them."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit import resolve
from labkit.run_folder import LabError, number, unknown_name, whole_number

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
    hflip_ok: bool | None = None,
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
        hflip_ok: whether a mirrored image is still one of its class, which augmentations ask (None: as the set says).
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
    seed = whole_number("seed", seed, least=0)
    if not 0 <= number("val_fraction", val_fraction) < 1:
        raise LabError(f"val_fraction is {val_fraction}; choose a part of the images from 0 to below 1.")
    limit = None if limit is None else whole_number("limit", limit, otherwise=", or None for all")
    if image_size is not None:
        image_size = whole_number("image_size", image_size, otherwise=", or None for the set's own")
    source = loader(Path(root) if root else None, image_size=image_size, seed=seed, **options)
    source.hflip_ok = source.hflip_ok if hflip_ok is None else bool(hflip_ok)
    return divide(name, source, val_fraction=val_fraction, seed=seed, limit=limit)
