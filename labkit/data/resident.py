"""A set that fits lies on the device; which one fits is decided here, from its size and the free memory."""

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from labkit.data.stream import Streamed
from labkit.transforms.pixels import Augmentation, Plain

log = logging.getLogger("labkit")

SHARE = 0.5  # of the free memory for the set; the rest is the model's
MIRRORED_SHARE = 0.25  # flipped copies double the set: only where that stays modest
LAZY_LIMIT_BYTES = 2**30  # a larger set that lies on a disk is not read as a whole before the first step


class Resident:
    """Serves (prepared set, rows of the split, places in the prepared set): both are the same rows here."""

    def __init__(self, images, augment: Augmentation, *, device: torch.device, **layout):
        self.device = device
        self.prepared = augment.prepare(images, device=device, **layout)  # layout: channels_last, mirrored

    def batches(self, rows: Iterable[Tensor]) -> Iterator[tuple]:
        """Yield the batch of each int64 (B,) of `rows`, in their order."""
        for index in rows:
            index = sent(index, self.device)
            yield self.prepared, index, index


def choose_source(split, augment: Augmentation, *, device, channels_last, resident=None, workers=None):
    """Return the Resident or Streamed source of a split, and log in one sentence which and why.

    resident: None decides by size; True asks for memory (refused, with a warning, where it does not fit).
    """
    images = split.images
    free, need = free_bytes(device), _need(images, augment, device, False)
    lazy = not isinstance(images, Tensor)
    name = f"{getattr(split, 'name', 'split')}: {images.shape[0]:,} images"
    limit = min(free * SHARE, LAZY_LIMIT_BYTES) if lazy and resident is None else free * SHARE
    if resident is False or need > limit:
        say = log.warning if resident else log.info
        say(
            "%s are streamed by workers (resident they would take %s; %s of %s are free).",
            name,
            amount(need),
            device,
            amount(free),
        )
        return Streamed(images, augment, device=device, channels_last=channels_last, workers=workers)
    mirrored = _need(images, augment, device, True) <= free * MIRRORED_SHARE
    log.info(
        "%s stay on %s (%s of %s free).", name, device, amount(_need(images, augment, device, mirrored)), amount(free)
    )
    return Resident(images, augment, device=device, channels_last=channels_last, mirrored=mirrored)


def _need(images, augment: Augmentation, device: torch.device, mirrored: bool) -> int:
    """Return how many more bytes the set takes on the device once it is prepared."""
    if type(augment) is Plain and isinstance(images, Tensor) and images.device == device:
        return 0
    return augment.prepared_bytes(images.shape, images.dtype.itemsize, mirrored=mirrored)


def free_bytes(device: torch.device) -> int:
    """Return the memory that is free on a device: of this control group's share, where a job has one."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return min(_machine_free(), _group_free())


def _machine_free() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2  # not Linux: a guess


def _group_free(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return what this control group may still take (a Slurm job, a container); a lot where it is not
    limited."""
    try:
        own = Path("/proc/self/cgroup").read_text().splitlines()[-1].split(":", 2)[2].lstrip("/")
        folder = next(path for path in (root / own, root) if (path / "memory.max").exists())
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        cache = next(
            (
                int(line.split()[1])
                for line in (folder / "memory.stat").read_text().splitlines()
                if line.startswith("inactive_file ")
            ),
            0,
        )
        return 2**63 if limit == "max" else max(0, int(limit) - used + cache)
    except (OSError, StopIteration, ValueError, IndexError):
        return 2**63


def amount(count: float) -> str:
    """Return a number of bytes as a person reads it: 432 MiB."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy from the CPU without waiting for the device."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
