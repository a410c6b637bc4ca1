"""Batches: a split served as normalized, augmented batches, each a pure function of (seed, epoch, number).

A set that fits lies on the device as uint8 and a batch is one gather from it (`labkit.data.resident` decides);
one that does not is read by worker processes, crosses to the device as uint8 and is augmented there
(`labkit.data.stream`). Both give the same bits.

Ranks share one permutation: global batch k is `batch_size * world_size` neighboring entries of it, of which
rank r takes the r-th part with its augmentation parameters; R ranks of B images therefore see exactly what
one process sees with R * B. The ragged end of an epoch, the images that fill no global batch, is left out
where `drop_last` is set (training: shapes stay static, and the next permutation leaves out others). Otherwise
the ranks share it as evenly as possible, each image once; a rank whose share is empty has one batch less.
"""

import os
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from labkit.data.resident import choose_place
from labkit.data.splits import as_split
from labkit.data.stream import Stream
from labkit.run_folder import LabError, whole_number
from labkit.seeding import derive
from labkit.transforms.batched.augmentation import Augmentation, NoAugmentation, Normalize, pixel_unit


class Batch(NamedTuple):
    """One batch on the device."""

    images: Tensor | tuple[Tensor, ...]  # float32 (B, C, h, w); with views > 1 a tuple of as many
    labels: Tensor | None  # int64 (B,), or None for a set without labels
    index: Tensor  # type: ignore[assignment]  # int64 (B,): rows of the split; hides tuple.index


class Batches:
    """The batches of a split: anything with .images (N, C, H, W) and .labels (N,) or None, or (images, labels).

    `for batch in batches` is one epoch, and each further loop the next one; `epoch(e)` is a certain one.
    batch_size: images per rank and batch. augment: from `labkit.transforms`, or None. views: how many versions
    of each image, augmented apart, a batch holds. drop_last: default, as shuffle. mean, std: per channel in
    [0, 1], normalize when given. device: default a GPU if there is one. resident: True or False overrides the
    choice between memory and streaming; workers: processes that read a streamed set (default: by cores).
    Raises LabError for sizes, shapes, dtypes and ranks that cannot work.
    """

    def __init__(
        self,
        split,
        batch_size,
        *,
        augment: Augmentation | None = None,
        views=1,
        shuffle=True,
        drop_last=None,
        seed=0,
        device=None,
        mean=None,
        std=None,
        channels_last=False,
        rank=0,
        world_size=1,
        resident=None,
        workers=None,
    ):
        split = as_split(split)
        images, labels = split.images, split.labels
        if len(images.shape) != 4:
            raise LabError(f"Images are (N, C, H, W); got shape {tuple(images.shape)}.")
        self.split, self.num_images = split, images.shape[0]
        self.batch_size, self.views = whole_number("batch_size", batch_size), whole_number("views", views)
        self.seed, self.world_size = whole_number("seed", seed, least=0), whole_number("world_size", world_size)
        self.shuffle, self.rank = bool(shuffle), whole_number("rank", rank, least=0)
        self.drop_last = self.shuffle if drop_last is None else bool(drop_last)
        self.device = pick_device(device)
        self.augment = augment or NoAugmentation()
        if not hasattr(self.augment, "draw"):
            raise LabError(
                f"augment is a {type(augment).__name__}, which takes one image; Batches takes whole-batch ones: "
                "transforms.supervised(size) or transforms.simclr_view(size), of labkit."
            )
        if labels is not None and len(labels) != self.num_images:
            raise LabError(f"{self.num_images} images came with {len(labels)} labels; every image needs one.")
        if workers is not None:
            workers = whole_number("workers", workers, least=0, otherwise=", or leave it out")
        if self.rank >= self.world_size:
            raise LabError(f"rank is {self.rank}; give 0 to {self.world_size - 1}, below world_size.")
        if not self.num_images:
            raise LabError("The split holds no images; choose another split or a larger limit.")
        whole = self.batch_size * self.world_size
        ragged = self.num_images % whole
        if self.drop_last and whole > self.num_images:
            raise LabError(
                f"A batch of {whole} images ({self.batch_size} on each of {self.world_size} ranks) is larger "
                f"than the split of {self.num_images}; use a batch_size of at most "
                f"{self.num_images // self.world_size}."
            )
        if self.shuffle and not self.drop_last and 0 < ragged < self.world_size:
            raise LabError(
                f"The last batch would hold {ragged} images for {self.world_size} ranks; use drop_last=True."
            )
        self._next_epoch = 0
        self.normalize = Normalize(images.shape[1], unit=pixel_unit(images), mean=mean, std=std, device=self.device)
        self.labels = None if labels is None else labels.to(self.device)
        layout = {"device": self.device, "channels_last": channels_last}
        stays, mirrored = choose_place(split, self.augment, device=self.device, resident=resident)
        self.stream = None if stays else Stream(images, self.augment, workers=workers, **layout)
        self.prepared = self.augment.prepare(images, mirrored=mirrored, **layout) if stays else None

    @classmethod
    def evaluation(cls, split, batch_size, **options) -> "Batches":
        """Return every image of a split once, in order, without augmentation."""
        return cls(split, batch_size, augment=None, shuffle=False, drop_last=False, **options)

    def __len__(self) -> int:
        """Batches per epoch (of every rank: see the ragged end in the module's docstring)."""
        full, rest = divmod(self.num_images, self.batch_size * self.world_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the next epoch: 0 in the first loop over the batches, 1 in the second, and so on."""
        self._next_epoch += 1
        return self.epoch(self._next_epoch - 1)

    def epoch(self, e: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of epoch e from batch `start` on: the tail of the whole epoch, bit for bit."""
        order = self.permutation(e)
        slices = [(k, *self.rank_slice(k)) for k in range(start, len(self))]
        rows = [(k, order[begin : begin + count][own]) for k, begin, count, own in slices if own.stop > own.start]
        streamed = iter(()) if self.stream is None else self.stream.batches([index for _, index in rows])
        for k, index in rows:
            index = to_device_async(index, self.device)
            prepared, place = (self.prepared, index) if self.stream is None else next(streamed)
            views = []
            for params in self.augmentation_params(e, k):
                params = to_device_async(params, self.device)
                views.append(self.augment.render(prepared, place, params, self.normalize))
            labels = None if self.labels is None else self.labels.index_select(0, index)
            yield Batch(tuple(views) if self.views > 1 else views[0], labels, index)

    def permutation(self, e: int) -> Tensor:
        """Return the permutation of epoch e that all ranks share, int64 (N,) on the CPU."""
        if not self.shuffle:
            return torch.arange(self.num_images)
        return torch.randperm(self.num_images, generator=torch.Generator().manual_seed(derive(self.seed, e)))

    def rank_slice(self, k: int) -> tuple[int, int, slice]:
        """Return where batch k of all ranks begins in the permutation, its number of images, and this rank's part."""
        whole, rank, ranks = self.batch_size * self.world_size, self.rank, self.world_size
        count = min(whole, self.num_images - k * whole)
        return k * whole, count, slice(rank * count // ranks, (rank + 1) * count // ranks)

    def augmentation_params(self, e: int, k: int) -> list[Tensor]:
        """Return the augmentation parameters of this rank's batch k, (B, P) on the CPU for each view."""
        _, count, own = self.rank_slice(k)
        generator = torch.Generator().manual_seed(derive(self.seed, e, k))
        image = tuple(self.split.images.shape[2:])
        # drawn for all ranks, so that every number of ranks sees the same
        return [self.augment.draw(count, generator, image=image)[own] for _ in range(self.views)]


def to_device_async(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy from the CPU without waiting for the device."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def pick_device(device=None) -> torch.device:
    """Return the wanted device, by default a GPU where there is one and the CPU elsewhere.

    Raises LabError for what is no device, for a GPU that is not there, and where the Slurm job was given GPUs that
    torch cannot use: the run would take days on the CPU without a word.
    """
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    given, count = os.environ.get("SLURM_JOB_GPUS", ""), os.environ.get("SLURM_GPUS_ON_NODE", "0")
    if device is None and not found and (given or count not in ("", "0")):
        why = "its driver does not answer" if torch.version.cuda else "this torch is built for CPUs"
        raise LabError(
            f"The job has GPUs ({given or count}) that torch cannot use, since {why}: see labkit doctor on the node, "
            'or ask for none (--gpus 0), or pass device="cpu".'
        )
    here = ", ".join(["cpu", *(f"cuda:{number}" for number in range(found))])
    try:
        device = torch.device(device or ("cuda" if found else "cpu"))
    except (RuntimeError, TypeError) as error:
        raise LabError(f"{device!r} is no device; use one of: {here}.") from error
    if device.type == "cuda" and (device.index or 0) >= found:
        raise LabError(f"There is no {device} here; use one of: {here}.")
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device
