"""What a data set is: named splits of uint8 images, and the seeded, stratified ways to divide them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkit.data.channel_stats import cached_statistics
from labkit.run_folder import LabError
from labkit.seeding import derive

Images = Any  # what a split's images are: a uint8 tensor (N, C, H, W), or an object that reads like one
COPY_LIMIT_BYTES = 512 * 2**20  # a smaller split is copied into memory, a larger one is read by index


class IndexedImages:
    """Some rows of images that are too large to copy: reads like a tensor, row i is base[index[i]].

    base: uint8 (N, C, H, W) tensor or another lazy object; index: int64 (M,).
    """

    dtype, ndim, device = torch.uint8, 4, torch.device("cpu")

    def __init__(self, base: Images, index: Tensor):
        self.base, self.index = base, index
        self.shape = torch.Size((len(index), *base.shape[1:]))

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows) -> Tensor:
        """Return uint8 (C, H, W) for an int, uint8 (M, C, H, W) for a slice or an index tensor."""
        return self.base[self.index[rows]]


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    images: uint8 (N, C, H, W), a tensor (perhaps memory-mapped) or a lazy object that is indexed like one.
    labels: int64 (N,), or None where nobody has labeled them.
    """

    images: Images
    labels: Tensor | None
    name: str = "train"

    def __len__(self) -> int:
        return self.images.shape[0]

    def take(self, index: Tensor, *, name: str | None = None) -> "Split":
        """Return the rows of `index` in its order: a copy where that is small, an index where it is not."""
        index = torch.as_tensor(index, dtype=torch.int64)
        small = isinstance(self.images, Tensor) and len(index) * self.images.shape[1:].numel() <= COPY_LIMIT_BYTES
        indexed = isinstance(self.images, IndexedImages)
        base, rows = (self.images.base, self.images.index[index]) if indexed else (self.images, index)
        images = base[rows] if small else IndexedImages(base, rows)
        return Split(images, None if self.labels is None else self.labels[index], name or self.name)


def as_split(data: Any) -> Split:
    """Return images and labels as a Split: of (images, labels) as tensors, arrays or lists, of a TensorDataset.

    What has .images and .labels is returned as it is; labels may be left out or None. Raises LabError, with the way
    to a split, for anything else.
    """
    if hasattr(data, "images") and hasattr(data, "labels"):
        return data
    parts = tuple(getattr(data, "tensors", data if isinstance(data, tuple | list) else ()))
    try:
        images, labels = torch.as_tensor(parts[0]), None
        if len(parts) > 1 and parts[1] is not None:
            labels = torch.as_tensor(parts[1])
    except (IndexError, TypeError, ValueError, RuntimeError):
        raise LabError(
            f"A {type(data).__name__} cannot be served as batches; give a split of labkit.data.load(...), or "
            "(images, labels): uint8 (N, C, H, W) and whole numbers (N,)."
        ) from None
    if images.ndim == 4 and images.shape[1] > 4 and images.shape[3] in (1, 3):
        raise LabError(f"Images are (N, C, H, W); got {tuple(images.shape)}: permute(0, 3, 1, 2) them first.")
    if labels is not None and (labels.is_floating_point() or labels.ndim != 1):
        way = "squeeze(1)" if labels.shape[1:] == (1,) else "argmax(1)"
        raise LabError(f"Labels are whole numbers (N,); got {labels.dtype} {tuple(labels.shape)}: take {way}.")
    return Split(images, None if labels is None else labels.long())


@dataclass
class Source:
    """What a loader finds before train and val are divided: everything but the seed's own choices.

    val is None where the validation split has to be taken out of train; load_test is called once, when the test
    split is first used. statistics_folder: where channel statistics are cached, None for nowhere. hflip_ok: whether
    a mirrored image still is one of its class.
    """

    classes: list[str]
    train: Split
    load_test: Callable[[], Split]
    val: Split | None = None
    statistics_folder: Path | None = None
    hflip_ok: bool = True


class Dataset:
    """One data set: classes, three splits, and the channel statistics of its training images."""

    def __init__(self, name: str, source: Source, *, train: Split, val: Split, division: str):
        self.name, self.classes = name, source.classes
        self.num_classes, self.hflip_ok = len(source.classes), source.hflip_ok
        self.train, self.val = train, val
        _, self.channels, self.image_size, _ = train.images.shape
        self._source, self._division = source, division

    def __repr__(self) -> str:
        shape = f"{self.channels}x{self.image_size}x{self.image_size}"
        sizes = f"{len(self.train)} train, {len(self.val)} val"
        return f"Dataset({self.name}: {self.num_classes} classes, {shape}, {sizes})"

    @cached_property
    def test(self) -> Split:
        """The test split, read or rendered only now: nothing but the final evaluation should use it."""
        test = self._source.load_test()
        check_labels(test, self.num_classes, of=self.name)
        return test

    def subsample(self, count: int, *, seed: int = 0) -> "Dataset":
        """Return this set with `count` training images, stratified, and half as many to choose on.

        They are part of what train and val were: nothing moves from one to the other. Raises LabError where
        they, or the test images, have no labels.
        """
        for split in (self.train, self.val, self.test):
            if split.labels is None:
                raise LabError(
                    f"The {split.name} images of {self.name} have no labels, so nothing can be evaluated on "
                    f"them; pretrain on it with pretrain_dataset={self.name} and evaluate on another data set."
                )
        train, val = thinned(self.train, count, seed=seed), thinned(self.val, count // 2, seed=seed)
        return Dataset(self.name, self._source, train=train, val=val, division=f"{self._division}-{count}")

    @property
    def mean(self) -> Tensor:
        """Mean of each channel over the training images, in [0, 1]: float (C,)."""
        return self._statistics[0]

    @property
    def std(self) -> Tensor:
        """Standard deviation of each channel over the training images, in [0, 1]: float (C,)."""
        return self._statistics[1]

    @cached_property
    def _statistics(self) -> tuple[Tensor, Tensor]:
        folder = self._source.statistics_folder
        return cached_statistics(self.train.images, folder and folder / f"statistics-{self._division}.json")


def check_labels(split: Split, num_classes: int, *, of: str) -> None:
    """Raise LabError when a label names no class; a split without labels, or without images, is left alone."""
    if split.labels is not None and len(split.labels):
        require_labels(split.labels, of=f"{split.name} split of {of}", num_classes=num_classes)


def stratified(labels: Tensor | None, total: int, *, seed: int, spare: int = 0) -> Tensor:
    """Choose about `total` rows in the proportions of the classes; returns their sorted indices.

    Every class gives a row where `total` and it allow that, and keeps `spare` rows back. With one seed, a
    smaller total takes, of every class, the beginning of what a larger total takes.
    """
    table = np.asarray(labels)
    classes, counts = np.unique(table, return_counts=True)
    generator = np.random.default_rng(derive(seed))
    orders = [generator.permutation(np.flatnonzero(table == k)) for k in classes]
    most = np.maximum(counts - spare, 0)
    least = np.minimum(1, most) if total >= len(classes) else np.zeros_like(most)
    exact = counts * (total / max(1, counts.sum()))
    shares = np.clip(np.floor(exact).astype(int), least, most)  # then the largest remainders are served first
    while shares.sum() < total and (shares < most).any():
        shares[np.argmax(np.where(shares < most, exact - shares, -np.inf))] += 1
    while shares.sum() > total and (shares > least).any():
        shares[np.argmax(np.where(shares > least, shares - exact, -np.inf))] -= 1
    chosen = [order[:share] for order, share in zip(orders, shares, strict=True)]
    return torch.from_numpy(np.sort(np.concatenate(chosen)))


def thinned(split: Split, count: int, *, seed: int) -> Split:
    """Return about `count` rows of a split, stratified; all of it where it has no more."""
    return split if count >= len(split) else split.take(stratified(split.labels, count, seed=seed))


def train_val_split(labels: Tensor | None, fraction: float, *, seed: int) -> tuple[Tensor, Tensor]:
    """Divide rows into (train, val): stratified, seeded, disjoint; every class keeps at least one row of train."""
    train = torch.ones(0 if labels is None else len(labels), dtype=torch.bool)
    if fraction > 0:
        train[stratified(labels, round(fraction * len(train)), seed=seed, spare=1)] = False
    return torch.nonzero(train).flatten(), torch.nonzero(~train).flatten()


def divide(name: str, source: Source, *, val_fraction: float, seed: int, limit: int | None) -> Dataset:
    """Take train and val out of what the loader found, then thin both out to `limit` images together."""
    check_labels(source.train, len(source.classes), of=name)
    if limit is not None and limit < len(source.classes):
        raise LabError(
            f"limit={limit} is fewer than the {len(source.classes)} classes of {name}; raise it to at least "
            f"{2 * len(source.classes)}."
        )
    division = f"{seed}-{val_fraction}-{limit}"
    if source.val is not None:
        check_labels(source.val, len(source.classes), of=name)
        part = 1.0 if limit is None else limit / (len(source.train) + len(source.val))
        train, val = (thinned(s, round(part * len(s)), seed=seed) for s in (source.train, source.val))
        return Dataset(name, source, train=train, val=val, division=division)
    pool = source.train if limit is None else thinned(source.train, limit, seed=seed)
    rows, held = train_val_split(pool.labels, val_fraction, seed=seed + 1)
    if val_fraction > 0 and not len(held):
        raise LabError(f"{name}: {len(pool)} images leave none to validate; raise limit or set val_fraction=0.")
    train, val = pool.take(rows, name="train"), pool.take(held, name="val")
    return Dataset(name, source, train=train, val=val, division=division)


def require_labels(labels: Tensor | None, *, of: str, num_classes: int | None = None) -> None:
    """Raise LabError unless `labels` are int64 (N,), N >= 1, in 0 to num_classes - 1 where that is given.

    of: names their set in the message, such as "training set".
    """
    if labels is None:
        raise LabError(f"The {of} has no labels, and they are needed here; choose a labeled set.")
    if labels.dtype != torch.int64:
        raise LabError(f"Labels of the {of} are {labels.dtype}, not int64; take labels.long().")
    if not len(labels):
        raise LabError(f"The {of} holds no image; give that split at least one, or take a larger set.")
    if num_classes is not None and len(wrong := ((labels < 0) | (labels >= num_classes)).nonzero()[:, 0]):
        row = int(wrong[0])
        raise LabError(
            f"Label {int(labels[row])} of the {of} (image {row}; {len(wrong)} such labels) is outside "
            f"0..{num_classes - 1}; correct the labels or the number of classes."
        )
