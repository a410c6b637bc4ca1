"""Trees with one folder per class: found, split, decoded once and then memory-mapped."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from labkit.data.cache import cache_folder, memmap_cache
from labkit.data.decode import SUFFIXES, decoded, native_size
from labkit.data.splits import Source, Split, train_val_split
from labkit.run_folder import LabError

TEST_SEED = 0  # the test images are the same for every seed


@dataclass(frozen=True)
class Listing:
    """Image files with their labels, as they were found.

    stamps: size and time of change of each file, so that a changed file is decoded again.
    """

    files: list[str]
    labels: Tensor  # int64 (N,)
    stamps: list[str]

    def take(self, rows: Tensor) -> "Listing":
        chosen = rows.tolist()
        return Listing([self.files[i] for i in chosen], self.labels[rows], [self.stamps[i] for i in chosen])

    @cached_property
    def facts(self) -> str:
        return "\n".join(f"{file} {stamp}" for file, stamp in zip(self.files, self.stamps, strict=True))


def folder(root, *, image_size: int | None, seed: int, test_fraction: float = 0.2) -> Source:
    """Open a tree `root/<class>/*.jpg`, or `root/train/<class>/...` beside `root/test` (and `root/val`).

    test_fraction: the part of a tree without train and test folders that becomes the test split; it is
    chosen by the files alone, never by the seed. Images are scaled to image_size (shorter side, middle cropped
    out), which may be None where all are squares of one size.
    """
    if root is None:
        raise LabError(
            'The data set "folder" needs its path: pass root="path/to/your/images" (in a notebook: data_dir).'
        )
    if not root.is_dir():
        raise LabError(
            f"There is no folder {root}; pass the one that holds a folder per class as root (in a notebook: data_dir)."
        )
    if not 0 < test_fraction < 1:
        raise LabError(f"test_fraction is {test_fraction}; choose a part of the images between 0 and 1.")
    inner = set(_folders(root))
    if _folders(root / "train"):  # a part with classes of its own; a class may be called train, too
        if not (root / "test").is_dir():
            raise LabError(
                f"{root} has train but no test folder; add one, or pass {root / 'train'} as root (in a notebook: "
                f"data_dir) to split that."
            )
        classes, places = class_names(root / "train"), {part: root / part for part in ("train", "test", "val")}
        found = {"train": listing(places["train"], classes)}
    elif {"train"} <= inner <= {"train", "val", "test"}:
        raise LabError(f"{root / 'train'} holds no class folders; it must hold one folder of images per class.")
    else:
        classes, places = class_names(root), dict.fromkeys(("train", "test"), root)
        everything = listing(root, classes)
        rows = train_val_split(everything.labels, test_fraction, seed=TEST_SEED)
        found = {part: everything.take(chosen) for part, chosen in zip(("train", "test"), rows, strict=True)}
        if not found["test"].files:
            raise LabError(f"{root} holds too few images for a test split; add some or raise test_fraction.")
    size = image_size or native_size(places["train"] / found["train"].files[0])
    opened = Opener(root.name, size, exact=image_size is None)

    def split(part: str) -> Split:
        return opened.split(places[part], found.get(part) or listing(places[part], classes), part)

    return Source(
        classes,
        split("train"),
        lambda: split("test"),
        val=split("val") if "val" in places and places["val"].is_dir() else None,
        statistics_folder=opened.folder(found["train"]),
    )


@dataclass(frozen=True)
class Opener:
    """Opens listings of one tree as splits of one image size."""

    name: str
    size: int
    exact: bool

    def folder(self, found: Listing) -> Path:
        return cache_folder(self.name, self.size, found.facts)

    def split(self, root: Path, found: Listing, name: str) -> Split:
        shape = (len(found.files), 3, self.size, self.size)

        def parts():
            paths = [f"{root}{os.sep}{file}" for file in found.files]
            return decoded(paths, size=self.size, exact=self.exact, text=f"Decoding {self.name} {name}")

        return Split(memmap_cache(self.folder(found) / "images.npy", shape, parts), found.labels, name)


def class_names(root: Path) -> list[str]:
    """Return the folders under root, sorted: their names are the classes."""
    names = _folders(root)
    if len(names) < 2:
        raise LabError(f"{root} holds {len(names)} class folders; it must hold one folder of images per class.")
    return names


def _folders(root: Path) -> list[str]:
    try:
        names = os.listdir(root) if root.is_dir() else []
    except OSError as error:
        raise _unusable(error) from error
    return sorted(name for name in names if name[0] != "." and os.path.isdir(root / name))  # a broken link is none


def listing(root: Path, classes: list[str], *, inside: str = "") -> Listing:
    """List the images of every class under `root/<class>/inside`, in order of class and name."""
    unknown = set(class_names(root)) - set(classes)
    if unknown:
        raise LabError(f"{root} has a class that training lacks: {min(unknown)!r}; rename or delete its folder.")
    files, labels, stamps = [], [], []
    for label, name in enumerate(classes):
        found = sorted(walk(root / name / inside, f"{name}{os.sep}{inside}".rstrip(os.sep)))
        if not found:
            raise LabError(f"Class folder {root / name} holds no images; put some there or delete it.")
        files += [file for file, _ in found]
        stamps += [stamp for _, stamp in found]
        labels += [label] * len(found)
    return Listing(files, torch.tensor(labels), stamps)


def walk(path: Path | str, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield (relative name, stamp) of every image under path, hidden files left out.

    Raises LabError, naming it, for a broken link, links in a circle and what may not be read.
    """
    try:
        for entry in os.scandir(path) if os.path.isdir(path) else ():  # at 60,000 files every microsecond counts
            name = entry.name
            if name[0] == ".":
                continue
            if f".{name.rpartition('.')[2].lower()}" in SUFFIXES:
                status = entry.stat()
                if stat.S_ISREG(status.st_mode):
                    yield f"{prefix}{os.sep}{name}", f"{status.st_size} {status.st_mtime_ns}"
                    continue
            if entry.is_dir():
                yield from walk(entry.path, f"{prefix}{os.sep}{name}")
    except OSError as error:
        raise _unusable(error) from error


def _unusable(error: OSError) -> LabError:
    link = "a broken link" if isinstance(error, FileNotFoundError) else error.strerror
    return LabError(f"Cannot read {error.filename} ({link}); repair or delete it, then start again.")
