"""Which set stays on the device, and which is streamed: decided from its size and the free memory."""

import logging
from pathlib import Path

import torch
from torch import Tensor

from labkit.transforms.batched.augmentation import Augmentation, NoAugmentation

log = logging.getLogger("labkit")

SHARE = 0.5  # of the free memory for the set; the rest is the model's
MIRRORED_SHARE = 0.25  # flipped copies double the set: only where that stays modest
LAZY_LIMIT_BYTES = 2**30  # a larger set that lies on a disk is not read as a whole before the first step


def choose_place(split, augment: Augmentation, *, device: torch.device, resident=None) -> tuple[bool, bool]:
    """Return whether a split stays on the device, and whether with flipped copies; log which and why.

    resident: None decides by size; True wants memory (refused, with a warning, where it does not fit).
    """
    images, free = split.images, free_bytes(device)
    lazy = not isinstance(images, Tensor)
    name = f"{getattr(split, 'name', 'split')}: {images.shape[0]:,} images"
    plain, mirrored = (augment.prepared_bytes(images.shape, images.dtype.itemsize, mirrored=m) for m in (False, True))
    if type(augment) is NoAugmentation and not lazy and images.device == device:
        plain = mirrored = 0  # the set itself serves
    limit = min(free * SHARE, LAZY_LIMIT_BYTES) if lazy and resident is None else free * SHARE
    if resident is False or plain > limit:
        text = "%s are streamed by workers (resident they would take %s; %s of %s are free)."
        level = logging.WARNING if resident else logging.INFO
        log.log(level, text, name, format_bytes(plain), device, format_bytes(free))
        return False, False
    copies = mirrored <= free * MIRRORED_SHARE
    size = format_bytes(mirrored if copies else plain)
    log.info("%s stay on %s (%s of %s free).", name, device, size, format_bytes(free))
    return True, copies


def free_bytes(device: torch.device) -> int:
    """Return the memory that is free on a device: of this control group's share, where a job has one."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    import psutil

    return min(psutil.virtual_memory().available, _group_free())


def _group_free(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return what this control group (a Slurm job, a container) may still take; a lot where it has no limit."""
    try:
        own = Path("/proc/self/cgroup").read_text().splitlines()[-1].split(":", 2)[2].lstrip("/")
        folder = next(path for path in (root / own, root) if (path / "memory.max").exists())
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        fields = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return 2**63 if limit == "max" else max(0, int(limit) - used + int(fields.get("inactive_file", 0)))
    except (OSError, StopIteration, ValueError, IndexError):
        return 2**63


def format_bytes(count: float) -> str:
    """Return a number of bytes as a person reads it: 432 MiB."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
