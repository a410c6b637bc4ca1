"""What a data set is: named splits of uint8 images, and the seeded, stratified ways to cut them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labkit.data.labels import require_labels
from labkit.data.statistics import kept_statistics
from labkit.run_folder import LabError
from labkit.seeding import derive

COPY_LIMIT_BYTES = 512 * 2**20  # a smaller split is copied into memory, a larger one is read by index


class IndexedImages:
    """Some rows of images that are too large to copy: reads like a tensor, row i is base[index[i]].

    base: uint8 (N, C, H, W) tensor or another lazy object; index: int64 (M,).
    """

    dtype, ndim, device = torch.uint8, 4, torch.device("cpu")

    def __init__(self, base, index: Tensor):
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
    labels: int64 (N,), or None where nobody has labelled them.
    """

    images: Tensor
    labels: Tensor | None
    name: str = "train"

    def __len__(self) -> int:
        return self.images.shape[0]

    def take(self, index: Tensor, *, name: str | None = None) -> "Split":
        """Return the rows of `index` in its order: a copy where that is small, an index where it is not."""
        index = torch.as_tensor(index, dtype=torch.int64)
        small = len(index) * self.images.shape[1:].numel() <= COPY_LIMIT_BYTES
        copied = small and isinstance(self.images, Tensor)
        images = self.images[index] if copied else _reindex(self.images, index)
        return Split(images, None if self.labels is None else self.labels[index], name or self.name)


def _reindex(images, index: Tensor) -> IndexedImages:
    if isinstance(images, IndexedImages):
        return IndexedImages(images.base, images.index[index])
    return IndexedImages(images, index)


@dataclass
class Source:
    """What a loader knows before train and val are cut: everything but the seed's own choices.

    val is None where the validation split has to be cut out of train; load_test is called once, when the test
    split is first asked for. statistics_folder: where channel statistics are kept, None for nowhere.
    """

    classes: list[str]
    train: Split
    load_test: Callable[[], Split]
    val: Split | None = None
    statistics_folder: Path | None = None


class Dataset:
    """One data set: classes, three splits, and the channel statistics of its training images."""

    def __init__(self, name: str, source: Source, *, train: Split, val: Split, cut_name: str):
        self.name, self.classes = name, source.classes
        self.num_classes = len(source.classes)
        self.train, self.val = train, val
        _, self.channels, self.image_size, _ = train.images.shape
        self._source, self._cut_name = source, cut_name

    def __repr__(self) -> str:
        shape = f"{self.channels}x{self.image_size}x{self.image_size}"
        sizes = f"{len(self.train)} train, {len(self.val)} val"
        return f"Dataset({self.name}: {self.num_classes} classes, {shape}, {sizes})"

    @cached_property
    def test(self) -> Split:
        """The test split, read or rendered only now: nothing but the final evaluation should ask for it."""
        test = self._source.load_test()
        check_labels(test, self.num_classes, of=self.name)
        return test

    @property
    def mirrored(self) -> bool:
        """Whether a mirrored image still is one of its class: a digit is not."""
        return self.name not in ("digits", "mnist")

    def with_labels(self, count: int, *, seed: int = 0) -> "Dataset":
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
        train, val = (
            split if number >= len(split) else split.take(stratified(split.labels, number, seed=seed))
            for split, number in ((self.train, count), (self.val, count // 2))
        )
        cut_name = f"{self._cut_name}-{count}"
        return Dataset(self.name, self._source, train=train, val=val, cut_name=cut_name)

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
        return kept_statistics(self.train.images, folder and folder / f"statistics-{self._cut_name}.json")


def check_labels(split: Split, num_classes: int, *, of: str) -> None:
    """Raise LabError when a label names no class; a split without labels, or without images, is left alone."""
    if split.labels is not None and len(split.labels):
        require_labels(split.labels, of=f"{split.name} split of {of}", num_classes=num_classes)


def apportion(counts: np.ndarray, total: int, *, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Share `total` among classes in proportion to `counts`, within least..most of each class.

    All int (K,). Largest remainders are served first; a total that the bounds do not allow is missed.
    """
    exact = counts * (total / max(1, counts.sum()))
    shares = np.clip(np.floor(exact).astype(int), least, most)
    while shares.sum() < total and (shares < most).any():
        shares[np.argmax(np.where(shares < most, exact - shares, -np.inf))] += 1
    while shares.sum() > total and (shares > least).any():
        shares[np.argmax(np.where(shares > least, shares - exact, -np.inf))] -= 1
    return shares


def stratified(labels: Tensor, total: int, *, seed: int, spare: int = 0) -> Tensor:
    """Choose about `total` rows in the proportions of the classes; returns their sorted indices.

    Every class gives a row where `total` and it allow that, and keeps `spare` rows back. With one seed, a
    smaller total takes, of every class, the beginning of what a larger total takes.
    """
    labels = np.asarray(labels)
    classes, counts = np.unique(labels, return_counts=True)
    generator = np.random.default_rng(derive(seed))
    orders = [generator.permutation(np.flatnonzero(labels == k)) for k in classes]
    most = np.maximum(counts - spare, 0)
    least = np.minimum(1, most) if total >= len(classes) else np.zeros_like(most)
    shares = apportion(counts, total, least=least, most=most)
    chosen = [order[:share] for order, share in zip(orders, shares, strict=True)]
    return torch.from_numpy(np.sort(np.concatenate(chosen)))


def cut(labels: Tensor, fraction: float, *, seed: int) -> tuple[Tensor, Tensor]:
    """Cut rows into (kept, cut out): stratified, seeded, disjoint; every class keeps at least one row."""
    kept = torch.ones(len(labels), dtype=torch.bool)
    if fraction > 0:
        kept[stratified(labels, round(fraction * len(labels)), seed=seed, spare=1)] = False
    return torch.nonzero(kept).flatten(), torch.nonzero(~kept).flatten()
