"""The registry of data sets and `load`, the one call that opens any of them."""

import inspect
from numbers import Integral
from pathlib import Path

from labkit.data.sources import embedded, folder, hdf5, tiny_imagenet, torchvision_files
from labkit.data.splits import Dataset, Source, check_labels, cut, stratified
from labkit.run_folder import LabError, unknown_name

DATASETS = {
    "shapes": embedded.shapes,
    "digits": embedded.digits,
    "cifar10": torchvision_files.cifar10,
    "cifar100": torchvision_files.cifar100,
    "mnist": torchvision_files.mnist,
    "fashion_mnist": torchvision_files.fashion_mnist,
    "tiny_imagenet": tiny_imagenet.tiny_imagenet,
    "medium_imagenet": hdf5.medium_imagenet,
    "folder": folder.folder,
}


def load(
    name: str,
    *,
    root: str | Path | None = None,
    val_fraction: float = 0.1,
    seed: int = 0,
    image_size: int | None = None,
    limit: int | None = None,
    **options,
) -> Dataset:
    """Open a data set by name.

    root: its folder or file (default: where `labkit fetch` puts it).
    val_fraction: the part of the training images held out for validation, stratified, where the set brings no
    validation split of its own.
    seed: chooses the held-out images (and draws `shapes`); the test split never depends on it.
    image_size: pixels per side, None for the set's own.
    limit: keep about this many images of train and val together, stratified.
    options: what the set itself offers (see its function in DATASETS). Raises LabError for any wrong input.
    """
    if name not in DATASETS:
        raise unknown_name("data set", name, DATASETS)
    _check_options(name, options)
    _check_numbers(val_fraction, limit, image_size)
    source = DATASETS[name](None if not root else Path(root), image_size=image_size, seed=seed, **options)
    check_labels(source.train, len(source.classes), of=name)
    return _split(name, source, val_fraction=val_fraction, seed=seed, limit=limit)


def _check_options(name: str, options: dict) -> None:
    """Refuse an option that the set's own signature does not have."""
    own = set(inspect.signature(DATASETS[name]).parameters)
    for option in options:
        if option not in own:
            shared = set(inspect.signature(load).parameters) - {"name", "options"}
            raise unknown_name(f"option of {name}", option, own | shared)


def _check_numbers(val_fraction: float, limit: int | None, image_size: int | None) -> None:
    if not 0 <= val_fraction < 1:
        raise LabError(f"val_fraction is {val_fraction}; choose a part of the images from 0 to below 1.")
    if limit is not None and limit < 1:
        raise LabError(f"limit is {limit}; choose a number of images, or None for all.")
    whole = isinstance(image_size, Integral) and not isinstance(image_size, bool)
    if image_size is not None and not (whole and image_size >= 1):
        raise LabError(f"image_size is {image_size!r}; give a whole number of pixels, at least 1, or None for its own.")


def _split(name: str, source: Source, *, val_fraction: float, seed: int, limit: int | None) -> Dataset:
    """Cut train and val out of what the loader found, then thin both out to `limit`."""
    if limit is not None and limit < len(source.classes):
        raise LabError(
            f"limit={limit} is fewer than the {len(source.classes)} classes of {name}; raise it to at least "
            f"{2 * len(source.classes)}."
        )
    train, val, cut_name = source.train, source.val, f"{seed}-{val_fraction}-{limit}"
    if val is not None:
        check_labels(val, len(source.classes), of=name)
        part = 1.0 if limit is None else limit / (len(train) + len(val))
        return Dataset(name, source, train=_thin(train, part, seed), val=_thin(val, part, seed), cut_name=cut_name)
    rows = None if limit is None or limit >= len(train) else stratified(train.labels, limit, seed=seed)
    pool = train if rows is None else train.take(rows)
    kept, held = cut(pool.labels, val_fraction, seed=seed + 1)
    if val_fraction > 0 and not len(held):
        raise LabError(f"{name}: {len(pool)} images leave none to validate; raise limit or set val_fraction=0.")
    train, val = pool.take(kept, name="train"), pool.take(held, name="val")
    return Dataset(name, source, train=train, val=val, cut_name=cut_name)


def _thin(split, part: float, seed: int):
    return split if part >= 1 else split.take(stratified(split.labels, round(part * len(split)), seed=seed))
