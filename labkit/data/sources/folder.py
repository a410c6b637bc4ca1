"""Trees with one folder per class: found, split, decoded once and then memory-mapped."""

import hashlib
import logging
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labkit.data.cache import cache_folder, memmap_cache
from labkit.data.decode import SUFFIXES, decoded, native_size
from labkit.data.splits import Source, Split, train_val_split
from labkit.run_folder import LabError

log = logging.getLogger("labkit.data")
TEST_SEED = 0  # the test images are the same for every seed
PARTS = {  # the names under which the parts of a set are met, in any case
    part: re.compile(f"({names})([_ -]?(set|data|images))?", re.IGNORECASE)
    for part, names in {"train": "train|training", "test": "test|testing", "val": "val|valid|validation|dev"}.items()
}
# what file systems, archives and photo stations leave beside pictures (and every hidden name, such as ._x.jpg)
COMPANIONS = set(
    "@eadir @tmp @recycle #recycle #snapshot $recycle.bin lost+found lost.dir __macosx __pycache__".split()
)
COMPANIONS |= {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "system volume information"}


@dataclass(frozen=True)
class Listing:
    """Image files under root with their labels, as they were found.

    stamps: size and times of each file, so that a changed file is decoded again.
    """

    root: Path
    files: list[str]
    labels: Tensor  # int64 (N,)
    stamps: list[str]

    def take(self, rows: Tensor) -> "Listing":
        chosen = rows.tolist()
        return Listing(self.root, [self.files[i] for i in chosen], self.labels[rows], [self.stamps[i] for i in chosen])

    def split(self, name: str, *, size: int, exact: bool) -> Split:
        """Return the decoded images; exact: refuse those of another size than `size` pixels."""
        file, shape = self.cache(size) / "images.npy", (len(self.files), 3, size, size)
        text = f"Decoding {self.root.name} {name}"
        images = memmap_cache(file, shape, lambda: decoded(self.paths, size=size, exact=exact, text=text))
        return Split(images, self.labels, name)

    def cache(self, size: int) -> Path:
        return cache_folder(self.root.resolve().name, size, self.facts)

    @property
    def paths(self) -> list[str]:
        return [f"{self.root}{os.sep}{file}" for file in self.files]

    @cached_property
    def facts(self) -> str:
        """What no other set has: place, names, sizes and times, and the bytes of some files."""
        try:
            some = b"".join(Path(path).read_bytes() for path in self.paths[:: -(-len(self.files) // 16)])
        except OSError as error:
            raise _unusable(error) from error
        return "\n".join([str(self.root.resolve()), hashlib.sha256(some).hexdigest(), *self.files, *self.stamps])


def folder(root, *, image_size: int | None, seed: int, test_fraction: float = 0.2) -> Source:
    """Open a tree `root/<class>/*.jpg`, or `root/train/<class>/...` beside `root/test` (and `root/val`; see PARTS).

    test_fraction: the part of a tree without train and test folders that becomes the test split; it is
    chosen by the files alone, never by the seed. Images are scaled to image_size (shorter side, middle cropped
    out), which may be None where all are squares of one size. Where classes are letters or
    numbers, images are not mirrored.
    """
    if root is None:
        raise LabError('The data set "folder" needs its path: pass root="path/to/images" (in a notebook: data_dir).')
    if not root.is_dir():
        raise LabError(f"There is no folder {root}; pass the one of the class folders (in a notebook: data_dir).")
    if not 0 < test_fraction < 1:
        raise LabError(f"test_fraction is {test_fraction}; choose a part of the images between 0 and 1.")
    inner = _folders(root)
    named = {name: part for part, form in PARTS.items() for name in inner if form.fullmatch(name)}
    with_classes_last = sorted(named, key=lambda name: bool(_folders(root / name)))  # a class may be called train, too
    roots = {named[name]: root / name for name in with_classes_last}
    if "train" in roots and _folders(roots["train"]):
        if "test" not in roots:
            raise LabError(
                f"{root} has train but no test folder; add one, or pass {roots['train']} as root (in a notebook: "
                f"data_dir) to split that."
            )
        if len(inner) > len(roots):
            others = ", ".join(name for name in inner if root / name not in roots.values())
            log.warning("%s: folders left out, neither train, val nor test: %s", root, others)
        classes = class_names(roots["train"])
        found = {"train": listing(roots["train"], classes)}
    elif inner and len(named) == len(inner):
        raise LabError(f"{root} has no train folder with one folder of images per class, only {', '.join(inner)}.")
    else:
        classes, roots = class_names(root), {}
        everything = listing(root, classes)
        rows = train_val_split(everything.labels, test_fraction, seed=TEST_SEED)
        found = {part: everything.take(chosen) for part, chosen in zip(("train", "test"), rows, strict=True)}
        if not found["test"].files:
            raise LabError(f"{root} holds too few images for a test split; add some or raise test_fraction.")
    form: dict[str, Any] = {"size": image_size or native_size(Path(found["train"].paths[0])), "exact": not image_size}
    return Source(
        [str(LabError(name)) for name in classes],
        found["train"].split("train", **form),
        lambda: (found.get("test") or listing(roots["test"], classes)).split("test", **form),
        val=listing(roots["val"], classes).split("val", **form) if "val" in roots else None,
        statistics_folder=found["train"].cache(form["size"]),
        hflip_ok=any(
            len(name) > 1 and not name.isdigit() for name in classes
        ),  # letters and digits: a mirrored b is a d
    )


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
    return sorted(name for name in names if not is_companion(name) and os.path.isdir(root / name))  # no broken link


def is_companion(name: str) -> bool:
    """Return whether a file or folder belongs to the file system and not to the set."""
    return name[0] == "." or name.lower() in COMPANIONS


def listing(root: Path, classes: list[str], *, inside: str = "") -> Listing:
    """List the images of every class under `root/<class>/inside`, in order of class and name."""
    unknown = set(class_names(root)) - set(classes)
    if unknown:
        raise LabError(f"{root} has a class that training lacks: {min(unknown)!r}; rename or delete its folder.")
    files, labels, stamps = [], [], []
    left: Counter[str] = Counter()
    for label, name in enumerate(classes):
        found = sorted(walk(root / name / inside, f"{name}{os.sep}{inside}".rstrip(os.sep), left))
        if not found:
            kinds = f"only {', '.join(left)} files" if left else "nothing"
            raise LabError(f"Class folder {root / name} holds no images but {kinds}; put some there or delete it.")
        files += [file for file, _ in found]
        stamps += [stamp for _, stamp in found]
        labels += [label] * len(found)
    if left:
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in left.most_common())
        log.warning("%s: files left out, which are no images that Pillow reads here: %s", root, kinds)
    return Listing(root, files, torch.tensor(labels), stamps)


def walk(path: Path | str, prefix: str, left: Counter[str]) -> Iterator[tuple[str, str]]:
    """Yield (relative name, stamp) of every image under path; count other files in `left`, companions nowhere.

    Raises LabError, naming it, for a broken link, links in a circle and what may not be read.
    """
    try:
        for entry in os.scandir(path) if os.path.isdir(path) else ():  # at 60,000 files every microsecond counts
            name = entry.name
            if is_companion(name):
                continue
            suffix = os.path.splitext(name)[1].lower()
            if suffix in SUFFIXES:
                status = entry.stat()
                if stat.S_ISREG(status.st_mode):
                    yield f"{prefix}{os.sep}{name}", f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
                    continue
            if entry.is_dir():
                yield from walk(entry.path, f"{prefix}{os.sep}{name}", left)
            else:
                left[str(LabError(suffix or name))] += 1
    except OSError as error:
        raise _unusable(error) from error


def _unusable(error: OSError) -> LabError:
    link = "a broken link" if isinstance(error, FileNotFoundError) else error.strerror
    return LabError(f"Cannot read {error.filename} ({link}); repair or delete it, then start again.")
