"""Channel mean and standard deviation of any number of images: exact, in chunks, cached once computed."""

import json
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from labkit.run_folder import LabError, atomic_write

CHUNK_BYTES = 4 * 2**20
SAMPLED_ABOVE_BYTES = 4 * 2**30  # a larger set is described by evenly spaced images: reading it all takes minutes
SAMPLE = 20_000


def channel_statistics(images, *, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return (mean, std) of each channel in [0, 1], two float (C,), over all images or some `rows`."""
    step = max(1, CHUNK_BYTES // images.shape[1:].numel())
    count = images.shape[0] if rows is None else len(rows)
    histogram = torch.zeros(images.shape[1], 256, dtype=torch.int64)  # exact, whatever the number of images
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        chunk = images[part if rows is None else rows[part]]
        histogram += torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in chunk.unbind(1)])
    pixels, levels = count * images.shape[2] * images.shape[3], torch.arange(256)
    mean = (histogram @ levels).double() / pixels
    variance = (histogram @ levels.square()).double() / pixels - mean.square()
    return (mean / 255).float(), (variance.clamp_min(0).sqrt() / 255).float()


def cached_statistics(images, file: Path | None) -> tuple[Tensor, Tensor]:
    """Return channel_statistics, read from `file` where it exists and else computed and written there."""
    if file is not None and file.is_file():
        cached = json.loads(file.read_text())
        return torch.tensor(cached["mean"]), torch.tensor(cached["std"])
    large = images.shape.numel() > SAMPLED_ABOVE_BYTES
    rows = torch.linspace(0, images.shape[0] - 1, SAMPLE).long() if large else None
    mean, std = channel_statistics(images, rows=rows)
    if file is not None:
        with suppress(OSError, LabError):  # where nothing can be written it is computed again
            file.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(file, json.dumps({"mean": mean.tolist(), "std": std.tolist()}))
    return mean, std
