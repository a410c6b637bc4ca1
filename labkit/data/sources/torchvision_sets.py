"""CIFAR-10/100, MNIST and Fashion-MNIST, read by torchvision's own classes, CIFAR's checksums included."""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torchvision import datasets

from labkit.data.cache import cache_folder, memmap_cache
from labkit.data.decode import resized
from labkit.data.download import FILES, unusable
from labkit.data.splits import Source, Split
from labkit.run_folder import data_dir

READERS = {
    "cifar10": datasets.CIFAR10,
    "cifar100": datasets.CIFAR100,
    "mnist": datasets.MNIST,
    "fashion_mnist": datasets.FashionMNIST,
}
MNIST_NAMES = {
    "mnist": [str(k) for k in range(10)],
    "fashion_mnist": "T-shirt trouser pullover dress coat sandal shirt sneaker bag boot".split(),
}
RESIZED_AT_ONCE = 1000


def _open(name: str, root: Path | None, *, image_size: int | None, seed: int) -> Source:
    """Open one of READERS. root: the folder that holds the set's own folder (see `download.FILES`), or that folder."""
    root, folder = root or data_dir(), Path(FILES[name][0])
    itself = root.resolve().parts
    if not (root / folder).exists() and itself[-len(folder.parts) :] == folder.parts:
        root = Path(*itself[: -len(folder.parts)])  # the folder that torchvision calls root
    train, classes = _read(name, root, "train")

    def cache(images: Tensor) -> Path:  # the bytes of some images tell the set: torchvision checks not all files
        return cache_folder(name, image_size, root.resolve(), images[::64].numpy().tobytes())

    return Source(
        MNIST_NAMES.get(name, classes),
        _sized(*train, "train", size=image_size, cache=cache),
        lambda: _sized(*_read(name, root, "test")[0], "test", size=image_size, cache=cache),
        statistics_folder=cache(train[0]),
        hflip_ok=name != "mnist",  # a mirrored digit is none
    )


cifar10 = partial(_open, "cifar10")  # 60,000 images of 32x32x3
cifar100 = partial(_open, "cifar100")  # 60,000 images of 32x32x3; the 100 fine labels
mnist = partial(_open, "mnist")  # 70,000 images of 28x28x1
fashion_mnist = partial(_open, "fashion_mnist")  # 70,000 images of 28x28x1


def _read(name: str, root: Path, part: str) -> tuple[tuple[Tensor, Tensor], list[str]]:
    """Return images, uint8 (N, C, H, W), and labels, int64 (N,), with the names of the classes."""
    try:
        found = READERS[name](root, train=part == "train")
    except (RuntimeError, ValueError, AssertionError, EOFError, TypeError, OSError) as error:
        raise unusable(name, root) from error
    images = torch.as_tensor(found.data)
    images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
    if len(images) != len(found.targets):
        raise unusable(name, root)
    return (images, torch.as_tensor(found.targets)), list(found.classes)


def _sized(images: Tensor, labels: Tensor, name: str, *, size: int | None, cache) -> Split:
    """Return a split at the wanted size; another one than the files' own is scaled once and memory-mapped."""
    if size is None or size == images.shape[-1]:
        return Split(images, labels, name)
    shape, parts = (len(images), images.shape[1], size, size), images.split(RESIZED_AT_ONCE)
    scaled = memmap_cache(cache(images) / f"{name}.npy", shape, lambda: (resized(part, size).numpy() for part in parts))
    return Split(scaled, labels, name)
