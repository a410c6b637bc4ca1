"""What a batched augmentation is, and how stored pixels become normalized floats, on any device."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from labkit.run_folder import LabError

CHUNK = 2**18  # floats per pass on a CPU: the temporaries of a pass stay in a core's second-level cache
FILL_BYTES = 2**25  # a lazy set is read in parts of this size


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int


def as_size(size: int | tuple[int, int]) -> Size:
    """Return (height, width) from a side or a pair; LabError unless both are positive."""
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or min(pair) < 1:
        raise LabError(f"An image size is a side or (height, width) in pixels, at least 1; got {size!r}.")
    return Size(int(pair[0]), int(pair[1]))


def chunk_rows(shape: tuple[int, ...], device: torch.device) -> int:
    """Return how many rows of `shape` one pass handles: few on a CPU (cache), all on an accelerator."""
    return max(1, CHUNK // max(1, math.prod(shape[1:])) if device.type == "cpu" else shape[0])


class Normalize:
    """From stored pixels to what the model sees: x -> (x * unit - mean) / std, per channel.

    `unit` is 1/255 for uint8 and 1 for floats that are in [0, 1] already. Without mean and std the result
    stays in [0, 1].
    """

    def __init__(self, channels: int, *, unit: float = 1 / 255, mean=None, std=None, device="cpu"):
        mean = torch.zeros(channels) if mean is None else _per_channel(mean, channels, "mean")
        std = torch.ones(channels) if std is None else _per_channel(std, channels, "std")
        if not bool((std > 0).all()):
            raise LabError(f"Normalization needs a positive std for every channel; got {std.tolist()}.")
        self.slope = (1 / std).to(device)  # (C,) for pixels in [0, 1]
        self.offset = (-mean / std).to(device)  # (C,)
        self.factor = self.slope * unit  # (C,) for stored pixels
        self._constants: dict[tuple[int, bool], tuple[Tensor, ...]] = {}

    def equals(self, other: "Normalize") -> bool:
        """Return whether both give the same floats (rounding aside) for the same colors."""
        pairs = (self.slope, other.slope), (self.offset, other.offset)
        return all(a.shape == b.shape and torch.allclose(a.cpu(), b.cpu(), rtol=1e-3, atol=1e-3) for a, b in pairs)

    def constants(self, area: int, channels_last: bool = False) -> tuple[Tensor, ...]:
        """Return factor, offset, and what 0 and 1 become, for each value of an image: each (C * area,).

        Expanded, since broadcasting along the innermost axis keeps a CPU from vectorizing.
        """
        key = area, channels_last
        if key not in self._constants:
            rows = torch.stack([self.factor, self.offset, self.offset, self.slope + self.offset])
            rows = rows.repeat(1, area) if channels_last else rows.repeat_interleave(area, 1)
            self._constants[key] = rows.unbind(0)
        return self._constants[key]

    def __call__(self, pixels: Tensor, shape: tuple[int, int, int], *, channels_last: bool) -> Tensor:
        """Return stored pixels, flat in memory order (B, C * H * W), as normalized floats (B, C, H, W).

        shape: (C, H, W); channels_last: which memory order the pixels are in, and the result stays in it.
        """
        channels, height, width = shape
        out = torch.empty(pixels.shape, device=pixels.device)
        factor, offset, _, _ = self.constants(height * width, channels_last)
        step = chunk_rows(pixels.shape, pixels.device)
        for start in range(0, len(pixels), step):
            values = out[start : start + step].copy_(pixels[start : start + step])
            torch.addcmul(offset, values, factor, out=values)
        if channels_last:
            return out.view(-1, height, width, channels).permute(0, 3, 1, 2)
        return out.view(-1, channels, height, width)

    def clamped(self, pixels: Tensor, part: slice, out: Tensor) -> Tensor:
        """Write stored pixels (B, C, P), clamped to their range (a cubic overshoots) and normalized, into out."""
        _, channels, area = pixels.shape
        factor, offset, low, high = self.constants(area)
        torch.addcmul(offset.view(channels, area), pixels, factor.view(channels, area), out=out)
        return torch.clamp(out, low.view(channels, area), high.view(channels, area), out=out)


def _per_channel(values, channels: int, what: str) -> Tensor:
    values = torch.as_tensor(values, dtype=torch.float32).flatten().cpu()
    if values.numel() not in (1, channels):
        raise LabError(f"{what} has {values.numel()} values for {channels} channels; give one per channel.")
    return values.expand(channels).clone()


def pixel_unit(images) -> float:
    """Return what one stored step is worth in [0, 1]; LabError unless pixels are bytes or floats in it."""
    if images.dtype == torch.uint8:
        return 1 / 255
    if not images.dtype.is_floating_point:
        raise LabError(f"Images are uint8 (0..255) or floats in [0, 1]; got {images.dtype}: convert them.")
    low, high = map(float, torch.aminmax(images)) if isinstance(images, Tensor) else (0, 1)
    if math.isnan(low):  # one of them is enough, for both
        raise LabError("Float images lie in [0, 1]; these hold NaN: mend or drop the images that do.")
    if not 0 <= low <= high <= 1:
        raise LabError(f"Float images lie in [0, 1]; these reach from {low:g} to {high:g}: scale them first.")
    return 1.0


class Augmentation:
    """A batched augmentation whose random numbers differ for every image of a batch.

    draw    chooses on the CPU what happens to each image: one float32 row per image, so that a seed means the
            same on every device and one small copy carries it there.
    prepare lays a set (N, C, H, W) out once for quick gathers; it may return the set itself.
    render  makes the float32 batch (B, C, h, w) of the images `index` of a prepared set.
    A call draws, prepares and renders one batch: handy in a notebook, slower than `labkit.data.Batches`.
    """

    def draw(self, count: int, generator: torch.Generator, *, image: tuple[int, int]) -> Tensor:
        """Return (count, P) float32 parameters, one row per image; image: stored height and width."""
        raise NotImplementedError

    def prepare(self, images, *, device=None, channels_last: bool = False, mirrored: bool = False) -> Any:
        """Return the set on `device` in the layout that `render` gathers from.

        images: (N, C, H, W), a tensor or anything with shape and dtype whose slices are tensors. mirrored:
        store flipped copies beside the images where that makes flips free.
        """
        raise NotImplementedError

    def prepared_bytes(self, shape: torch.Size, itemsize: int, *, mirrored: bool = False) -> int:
        """Return how many bytes `prepare` makes of a set of this shape."""
        return itemsize * math.prod(shape)

    def render(self, prepared: Any, index: Tensor, params: Tensor, normalize: Normalize) -> Tensor:
        """Return (B, C, h, w) float32, normalized; index (B,) and params (B, P) are on the device."""
        raise NotImplementedError

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return (B, C, h, w) floats in [0, 1] made of images (B, C, H, W), uint8 or floats in [0, 1]."""
        if images.ndim != 4:
            raise LabError(f"An augmentation takes a batch (B, C, H, W); got shape {tuple(images.shape)}.")
        prepared = self.prepare(images)
        params = self.draw(len(images), generator, image=(images.shape[2], images.shape[3])).to(images.device)
        index = torch.arange(len(images), device=images.device)
        normalize = Normalize(images.shape[1], unit=pixel_unit(images), device=images.device)
        return self.render(prepared, index, params, normalize)


class NoAugmentation(Augmentation):
    """Gather and normalize, nothing else."""

    def draw(self, count: int, generator: torch.Generator, *, image: tuple[int, int]) -> Tensor:
        return torch.empty(count, 0)

    def prepare(self, images, *, device=None, channels_last: bool = False, mirrored: bool = False) -> Tensor:
        """Return (N, C, H, W) in the wanted memory order: the set itself where it has it already."""
        order = torch.channels_last if channels_last else torch.contiguous_format
        device = torch.device(device or images.device)
        if isinstance(images, Tensor) and images.device == device and images.is_contiguous(memory_format=order):
            return images
        return fill(torch.empty(images.shape, dtype=images.dtype, device=device, memory_format=order), images)

    def render(self, prepared: Tensor, index: Tensor, params: Tensor, normalize: Normalize) -> Tensor:
        _, channels, height, width = prepared.shape
        pixels = gather_images(prepared, index)
        return normalize(pixels, (channels, height, width), channels_last=not prepared.is_contiguous())


def gather_images(images: Tensor, index: Tensor) -> Tensor:
    """Return rows `index` of images (N, C, H, W), each flat in its own memory order: (B, C * H * W)."""
    flat = images if images.is_contiguous() else images.permute(0, 2, 3, 1)
    return flat.flatten(1).index_select(0, index)  # whole images: a memory copy each


def fill(store: Tensor, images) -> Tensor:
    """Copy images (N, C, H, W) into store, part by part: a lazy set is never in memory twice."""
    step = max(1, FILL_BYTES // max(1, math.prod(images.shape[1:])))
    for start in range(0, len(store), step):
        store[start : start + step].copy_(images[start : start + step])
    return store
