"""CIFAR-10/100, MNIST and Fashion-MNIST, read from the files that torchvision keeps, checksums included."""

import gzip
import hashlib
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labkit.data.cache import cache_folder, kept
from labkit.data.decode import resized
from labkit.data.download import ARCHIVES, absent
from labkit.data.splits import Source, Split
from labkit.run_folder import LabError, data_dir

RESIZED_AT_ONCE = 1000


@dataclass(frozen=True)
class Cifar:
    """Where one CIFAR keeps what: file name -> md5 of each part, and the keys of its pickled dictionaries."""

    folder: str
    train: dict[str, str]
    test: dict[str, str]
    meta: dict[str, str]
    label_key: str
    names_key: str


CIFAR10 = Cifar(
    "cifar-10-batches-py",
    {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    },
    {"test_batch": "40351d587109b95175f43aff81a1287e"},
    {"batches.meta": "5ff9c542aee3614f3951f8cda6e48888"},
    "labels",
    "label_names",
)
CIFAR100 = Cifar(
    "cifar-100-python",
    {"train": "16019d7e3df5f24257cddd939b257f8d"},
    {"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    {"meta": "7973b15100ade9c7d40fb424638fde48"},
    "fine_labels",
    "fine_label_names",
)
DIGITS = [str(k) for k in range(10)]
CLOTHES = "T-shirt trouser pullover dress coat sandal shirt sneaker bag boot".split()


def cifar10(root, *, image_size: int | None, seed: int) -> Source:
    """Open CIFAR-10, 60,000 images of 32x32x3. root: the folder that holds cifar-10-batches-py, or that."""
    return _cifar("cifar10", CIFAR10, root, image_size)


def cifar100(root, *, image_size: int | None, seed: int) -> Source:
    """Open CIFAR-100, its 100 fine labels. root: the folder that holds cifar-100-python, or that one."""
    return _cifar("cifar100", CIFAR100, root, image_size)


def mnist(root, *, image_size: int | None, seed: int) -> Source:
    """Open MNIST (70,000 images of 28x28x1). root: the folder that holds MNIST/raw, or that one."""
    return _mnist("mnist", DIGITS, root, image_size)


def fashion_mnist(root, *, image_size: int | None, seed: int) -> Source:
    """Open Fashion-MNIST, 70,000 images of 28x28x1. root: the folder that holds FashionMNIST/raw, or that."""
    return _mnist("fashion_mnist", CLOTHES, root, image_size)


def checked(name: str, file: Path, md5: str, *, root: Path) -> bytes:
    """Return the bytes of a file whose checksum is right: nothing else is ever unpickled."""
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise absent(name, root) from error
    found = hashlib.md5(content).hexdigest()
    if found != md5:
        raise LabError(
            f"{file} is damaged or half downloaded (checksum {found} instead of {md5}); delete {file.parent} "
            f"and run `labkit fetch {name}` on a login node."
        )
    return content


# CIFAR: Python pickles of {"data": uint8 (n, 3072), "labels": [n]}


def _cifar(name: str, files: Cifar, root: Path | None, image_size: int | None) -> Source:
    root = root or data_dir()
    folder = root if (root / next(iter(files.train))).exists() else root / files.folder

    def unpickle(part: dict[str, str]) -> list[dict]:
        contents = (checked(name, folder / file, md5, root=root) for file, md5 in part.items())
        return [pickle.loads(content, encoding="latin1") for content in contents]

    opened = Sized(name, image_size, "".join(files.train.values()))

    def split(parts: dict[str, str], as_name: str) -> Split:
        batches = unpickle(parts)
        images = torch.from_numpy(np.concatenate([b["data"] for b in batches])).view(-1, 3, 32, 32)
        labels = torch.tensor([label for b in batches for label in b[files.label_key]])
        return opened.split(images, labels, as_name)

    classes, train = unpickle(files.meta)[0][files.names_key], split(files.train, "train")
    return Source(classes, train, lambda: split(files.test, "test"), statistics_folder=opened.folder)


# MNIST: big-endian headers, then bytes


def _mnist(name: str, classes: list[str], root: Path | None, image_size: int | None) -> Source:
    root, archives = root or data_dir(), ARCHIVES[name]
    raw = (root / archives[0].file).parent
    folder = raw if raw.is_dir() else root
    sums = {Path(archive.file).stem: archive.md5 for archive in archives}
    opened = Sized(name, image_size, "".join(sums.values()))

    def read(file: str) -> Tensor:
        if (folder / file).exists() and not (folder / f"{file}.gz").exists():
            return idx((folder / file).read_bytes(), name, folder / file)  # its length must tell
        packed = folder / f"{file}.gz"
        return idx(gzip.decompress(checked(name, packed, sums[file], root=root)), name, packed)

    def split(prefix: str, as_name: str) -> Split:
        images, labels = read(f"{prefix}-images-idx3-ubyte"), read(f"{prefix}-labels-idx1-ubyte")
        if len(images) != len(labels):
            raise LabError(f"{name}: {len(images)} {as_name} images, {len(labels)} labels; fetch it again.")
        return opened.split(images[:, None], labels.long(), as_name)

    train = split("train", "train")
    return Source(classes, train, lambda: split("t10k", "test"), statistics_folder=opened.folder)


def idx(content: bytes, name: str, file: Path) -> Tensor:
    """Return the uint8 array of an IDX file: magic 0, 0, 8, rank; then each length as big-endian int32."""
    rank = content[3] if len(content) > 4 and content[:3] == b"\0\0\x08" else 0
    shape = tuple(np.frombuffer(content, ">i4", rank, 4).tolist()) if len(content) >= 4 + 4 * rank else ()
    if not rank or not shape or len(content) != 4 + 4 * rank + int(np.prod(shape)):
        raise LabError(f"{file} is cut short or no IDX file; delete it and run `labkit fetch {name}`.")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape).copy())


@dataclass(frozen=True)
class Sized:
    """Splits at the wanted size; other sizes than the files' own are scaled once and memory-mapped."""

    name: str
    size: int | None
    facts: str

    @property
    def folder(self) -> Path:
        return cache_folder(self.name, self.size, self.facts)

    def split(self, images: Tensor, labels: Tensor, name: str) -> Split:
        if self.size in (None, images.shape[-1]):
            return Split(images, labels, name)
        shape = (len(images), images.shape[1], self.size, self.size)

        def parts() -> Iterator[np.ndarray]:
            return (resized(part, self.size).numpy() for part in images.split(RESIZED_AT_ONCE))

        return Split(kept(self.folder / f"{name}.npy", shape, parts), labels, name)
