"""A set that does not fit: worker processes read uint8 batches ahead, the device does the rest."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from labkit.run_folder import LabError, usable_cores
from labkit.transforms.batched.augmentation import Augmentation

MOST_WORKERS = 8


class Stream:
    """Serves (prepared batch, places in it), for the rows of a split that make each batch.

    The workers live as long as this object. Nothing here draws from torch's global generator, so that a
    resumed run finds it as an uninterrupted one does.
    """

    def __init__(self, images, augment: Augmentation, *, device: torch.device, channels_last: bool, workers=None):
        self.augment, self.device, self.channels_last = augment, device, channels_last
        self.plan = _Plan()
        workers = min(MOST_WORKERS, usable_cores()) if workers is None else int(workers)
        self.loader = DataLoader(
            _Reader(images),
            batch_size=None,
            sampler=self.plan,
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=4 if workers else None,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),
        )

    def batches(self, rows: list[Tensor]) -> Iterator[tuple[Any, Tensor]]:
        """Yield the batch of each int64 (B,) of `rows`, in their order."""
        self.plan.rows = rows
        for index, images in zip(rows, self.loader, strict=True):
            if rows is not self.plan.rows:
                raise LabError("A streamed set serves one epoch at a time; finish one before the next.")
            images = images.to(self.device, non_blocking=True)
            prepared = self.augment.prepare(images, channels_last=self.channels_last)
            yield prepared, torch.arange(len(index), device=self.device)


class _Plan:
    """The loader's sampler: one array of rows per batch of the epoch now served.

    It holds no reference to the stream: a cycle would end the workers by the garbage collector, which closes their
    queues first and then waits for them in vain (five seconds each).
    """

    rows: Sequence[Tensor] = ()

    def __iter__(self) -> Iterator[np.ndarray]:
        return (index.numpy() for index in self.rows)  # arrays travel as bytes, tensors as files

    def __len__(self) -> int:
        return len(self.rows)


class _Reader(torch.utils.data.Dataset):
    """Reads a whole batch at a time, in a worker."""

    def __init__(self, images):
        self.images = images

    def __getitem__(self, index: np.ndarray) -> Tensor:
        rows = torch.from_numpy(index)
        return self.images.index_select(0, rows) if isinstance(self.images, Tensor) else self.images[rows]
