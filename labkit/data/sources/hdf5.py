"""Sets larger than memory: HDF5 files whose images are read when they are used, in whatever process."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkit.data.cache import cache_folder
from labkit.data.decode import resized
from labkit.data.splits import Source, Split
from labkit.run_folder import LabError


def medium_imagenet(root, *, image_size: int | None, seed: int, num_classes: int | None = None) -> Source:
    """Open an HDF5 file with images-train, labels-train, images-val, labels-val, images-test, [labels-test].

    root: the file, or a folder that holds just one. Images are uint8, (N, C, H, W) or (N, H, W, C); labels
    are int (N,). num_classes: default 1 + the largest label of train. Without labels-test, test has none.
    """
    if root is None:
        raise LabError('medium_imagenet needs its path: pass root="path/to/the.hdf5" (in a notebook: data_dir).')
    path = root
    if not root.is_file():
        found = [p for p in root.glob("[!.]*") if p.suffix.lower() in (".hdf5", ".h5")] if root.is_dir() else []
        if len(found) != 1:
            state = f"holds {len(found)} HDF5 files" if root.is_dir() else "does not exist"
            raise LabError(f"{root} {state}; pass the path of one .hdf5 file as root (in a notebook: data_dir).")
        path = found[0]
    train, val = _labelled(path, "train", image_size), _labelled(path, "val", image_size)
    assert train.labels is not None  # else _labelled has raised
    count, first = num_classes or int(train.labels.max()) + 1, int(train.labels.min())
    if first > 0 and not num_classes:
        raise LabError(f"{path}: the labels of train begin at {first}, not 0; subtract {first}, or give num_classes.")
    stamp = f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns} {path.stat().st_ctime_ns}"
    return Source(
        [f"class {k:03d}" for k in range(count)],
        train,
        lambda: _labelled(path, "test", image_size, needed=False),
        val=val,
        statistics_folder=cache_folder(path.stem, stamp, image_size),
    )


def open_hdf5(path: Path):
    """Open the file for reading; raise LabError where it is locked or no whole HDF5 file."""
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        broken = any(word in str(error) for word in ("truncated", "signature"))
        advice = "it is cut short or no HDF5 file: copy it again" if broken else "see that it can be read"
        if "lock file" in str(error) or "already open for" in str(error):
            advice = "wait for the program that writes it, or, where no locks exist, set HDF5_USE_FILE_LOCKING=FALSE"
        raise LabError(f"{path} cannot be opened ({error}); {advice}.") from error


def _member(file, key: str, path: Path):
    if key not in file or not hasattr(file[key], "shape"):
        keys = ", ".join(sorted(file)) or "nothing"
        raise LabError(f"{path} has no array {key!r}, only {keys}; use a file that has it.")
    return file[key]


def _labelled(path: Path, part: str, image_size: int | None, *, needed: bool = True) -> Split:
    images = HDF5Images(path, f"images-{part}", size=image_size)
    key = f"labels-{part}"
    with open_hdf5(path) as file:
        if not needed and key not in file:
            return Split(images, None, part)
        labels = _member(file, key, path)[...]
    number = labels.dtype.kind in "biu" or (labels.dtype.kind == "f" and np.array_equal(labels, labels.round()))
    if not number or labels.shape[1:] not in ((), (1,)):
        wrong = f"{path}: {key!r} is {labels.dtype} {labels.shape}; expected one whole number from 0 for each image"
        raise LabError(f"{wrong} (take argmax(1) of one-hot rows, number the names of classes).")
    if labels.size != len(images):
        raise LabError(f"{path} has {len(images)} images but {labels.size} labels in {key!r}; use a whole file.")
    return Split(images, torch.from_numpy(labels.astype(np.int64).reshape(-1)), part)


class HDF5Images:
    """Images in an HDF5 file that read like a uint8 tensor (N, C, H, W).

    The file is opened at the first read of each process: a handle that is carried through a fork would share
    its position with the parent's, and both would read nonsense.
    """

    dtype, ndim, device = torch.uint8, 4, torch.device("cpu")

    def __init__(self, path: Path, key: str, *, size: int | None = None):
        self.path, self.key = Path(path), key
        with open_hdf5(self.path) as file:
            stored = _member(file, key, self.path)
            shape, kind = stored.shape, stored.dtype
        if len(shape) != 4 or kind != np.uint8 or not (shape[1] in (1, 3) or shape[3] in (1, 3)):
            raise LabError(f"{path}: {key!r} is {kind} {shape}; expected uint8 (N, C, H, W) or (N, H, W, C).")
        self.channels_last = shape[1] not in (1, 3)
        order = (0, 3, 1, 2) if self.channels_last else (0, 1, 2, 3)
        count, channels, height, width = (shape[axis] for axis in order)
        self.scaled = size is not None or height != width
        size = size or min(height, width)
        self.shape = torch.Size((count, channels, size, size))
        self._opened: tuple[int, Any] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_opened": None}  # a worker that is started afresh opens the file itself

    def __getitem__(self, rows) -> Tensor:
        """Return uint8 (C, H, W) for an int, uint8 (M, C, H, W) for a slice or an index tensor."""
        index = torch.arange(len(self))[rows]
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), _member(open_hdf5(self.path), self.key, self.path))
        stored = self._opened[1]
        ordered, places = index.reshape(-1).unique(return_inverse=True)  # the order of the file, and the way back
        first, last = (int(ordered[0]), int(ordered[-1]) + 1) if len(ordered) else (0, 0)
        if last - first == len(ordered):
            block = stored[first:last]
        else:
            block = np.stack([stored[row] for row in ordered.tolist()])
        images = torch.from_numpy(block)[places]
        images = images.permute(0, 3, 1, 2).contiguous() if self.channels_last else images
        images = resized(images, self.shape[-1]) if self.scaled and len(images) else images
        return images[0] if index.ndim == 0 else images
