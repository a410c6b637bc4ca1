"""The supervised set: pad-crop and flip as one gather of whole rows, then colour jitter and cutout.

A crop of width w is w * C neighbouring bytes of a padded image stored channels last, so that a batch of crops is
one `index_select` of overlapping rows: no pixel is touched twice, and a stored flipped copy makes the flip free.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.augment.augmentation import Augmentation, Scale, as_size, fill, scaled, scaled_rows
from labkit.errors import LabError


@dataclass
class Rows:
    """A padded set as overlapping rows, ready for crops of one size."""

    rows: Tensor           # (positions, run) view; neighbouring rows overlap
    steps: Tensor          # (rows per crop,) from a crop's first row to each of its rows
    image: int             # positions from one image to the next
    line: int              # positions from one line to the next
    mirror: int            # positions from an image to its flipped copy; 0 where none is stored
    places: tuple[int, int]  # lines and columns at which a crop may begin
    channels: int
    channels_last: bool


def supervised(image_size, *, pad=4, flip=True, cutout=0, jitter=0.0) -> "Supervised":
    """Return the usual supervised augmentation for (height, width) or square `image_size`.

    pad: zero pixels around the image before a crop of `image_size` at a uniform place (He et al. 2015);
    flip: mirror half of the images; cutout: side in pixels of a square set to 0 AFTER normalisation, centred
    anywhere and cut off at the border (DeVries & Taylor 2017); jitter: strength of colour jitter.

    Against torchvision's RandomCrop(padding) + RandomHorizontalFlip: the same distribution and the same bits.
    """
    return Supervised(image_size, pad=pad, flip=flip, cutout=cutout, jitter=jitter)


class Supervised(Augmentation):
    """See `supervised`."""

    def __init__(self, image_size, *, pad=4, flip=True, cutout=0, jitter=0.0):
        self.size = as_size(image_size)
        if min(pad, cutout, jitter) < 0:
            raise LabError(f"pad, cutout and jitter are not negative; got {pad}, {cutout}, {jitter}.")
        self.pad, self.flip, self.cutout, self.jitter = int(pad), bool(flip), int(cutout), float(jitter)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return (count, 3 + 2) uniform numbers: crop line, crop column, flip, cutout line, cutout column."""
        return torch.rand(count, 5 if self.cutout else 3, generator=generator)

    def padded(self, shape) -> tuple[int, int]:
        """Return height and width with padding; LabError where the crop is larger than that."""
        height, width = shape[-2] + 2 * self.pad, shape[-1] + 2 * self.pad
        if self.size.height > height or self.size.width > width:
            raise LabError(
                f"A crop of {self.size.height}x{self.size.width} does not fit into images of "
                f"{shape[-2]}x{shape[-1]} padded by {self.pad}; use a smaller image_size or a larger pad."
            )
        return height, width

    def prepared_bytes(self, shape, itemsize: int, *, mirrored: bool = False) -> int:
        height, width = self.padded(shape)
        return itemsize * shape[0] * shape[1] * height * width * (2 if mirrored and self.flip else 1)

    def prepare(self, images, *, device=None, channels_last: bool = False, mirrored: bool = False) -> Rows:
        """Return the padded set (N, C, H, W), with flipped copies where `mirrored`, as overlapping rows."""
        height, width = self.padded(images.shape)
        count, channels = images.shape[:2]
        copies = 2 if mirrored and self.flip else 1
        shape = (height, width, channels) if channels_last else (channels, height, width)
        device = torch.device(device or images.device)
        store = torch.zeros((count, copies, *shape), dtype=images.dtype, device=device)
        self._fill(store.permute(0, 1, 4, 2, 3) if channels_last else store, images)
        apart = channels if channels_last else 1                # bytes (or floats) from one pixel to the next
        run = self.size.width * apart
        flat = store.view(-1)
        rows = flat.as_strided(((flat.numel() - run) // apart + 1, run), (apart, 1))
        area = height * width
        lines = torch.arange(self.size.height, device=device) * width
        planes = torch.arange(1 if channels_last else channels, device=device) * area
        positions = area if channels_last else area * channels
        return Rows(rows, (planes[:, None] + lines).flatten(), positions * copies, width,
                    positions if copies == 2 else 0,
                    (height - self.size.height + 1, width - self.size.width + 1), channels, channels_last)

    def _fill(self, store: Tensor, images: Tensor) -> None:
        """Copy images (N, C, H, W) into the middle of store (N, copies, C, Hp, Wp), flipped into copy 1."""
        height, width = images.shape[-2:]
        inner = store[..., self.pad:self.pad + height, self.pad:self.pad + width]
        fill(inner[:, 0], images)
        if store.shape[1] == 2:
            for part in inner.split(4096):                      # the flipped temporary stays small
                part[:, 1].copy_(part[:, 0].flip(-1))

    def render(self, prepared: Rows, index: Tensor, drawn: Tensor, scale: Scale) -> Tensor:
        pixels = self._flipped(prepared, self._crops(prepared, index, drawn), drawn)
        if prepared.channels_last:
            return scaled_rows(pixels.view(-1, self.size.height, prepared.rows.shape[1]), scale, prepared.channels)
        return scaled(pixels.view(-1, prepared.channels, *self.size), scale)

    def _crops(self, prepared: Rows, index: Tensor, drawn: Tensor) -> Tensor:
        """Return the rows of every crop, (B * rows per crop, run), of the stored type."""
        lines, columns = prepared.places
        first = index * prepared.image + (drawn[:, 0] * lines).long() * prepared.line + (drawn[:, 1] * columns).long()
        if prepared.mirror:
            first = first + (drawn[:, 2] < 0.5) * prepared.mirror
        return prepared.rows.index_select(0, (first[:, None] + prepared.steps).flatten())

    def _flipped(self, prepared: Rows, pixels: Tensor, drawn: Tensor) -> Tensor:
        """Mirror the drawn half of the crops where no flipped copy is stored; shapes stay static."""
        if not self.flip or prepared.mirror:
            return pixels
        apart = prepared.channels if prepared.channels_last else 1
        pixels = pixels.view(len(drawn), -1, self.size.width, apart)
        return torch.where((drawn[:, 2] < 0.5)[:, None, None, None], pixels.flip(2), pixels)
