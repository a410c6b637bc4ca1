"""The supervised set: pad-crop and flip as one gather of whole rows, then color jitter and cutout.

A row of a crop is w * C neighboring bytes of a padded image stored channels last, so that a batch of crops is one
`index_select` of overlapping rows: no pixel is touched twice, and a stored flipped copy makes the flip free.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.run_folder import LabError
from labkit.transforms.batched.augmentation import Augmentation, Normalize, Size, as_size, chunk_rows, fill
from labkit.transforms.batched.color import AffineColor, check_channels, draw_color
from labkit.transforms.per_sample import PerSample, get_supervised_transform


def supervised(image_size, *, pad=4, flip=True, cutout=0, jitter=0.0, exact=False) -> Augmentation:
    """Return the usual supervised augmentation; image_size: side or (height, width) of the result.

    pad: zeros around the image before a crop of `image_size` at a uniform place (He et al. 2015); flip: mirror half of
    the images; cutout: side in pixels of a square set to 0 AFTER normalization, its center anywhere, cut off at the
    border (DeVries & Taylor 2017); jitter: strength j of a color jitter of every image, factors uniform(1 - j, 1 + j)
    and hue uniform(-j/4, j/4) of a circle. exact: torchvision's per-sample pipeline (crop and flip only).

    Against torchvision's RandomCrop(padding) and RandomHorizontalFlip: the same distribution, and for the
    same places the same bits. Jitter differs from ColorJitter as `simclr_view` describes.
    """
    if min(pad, cutout, jitter) < 0:
        raise LabError(f"pad, cutout and jitter are not negative; got {pad}, {cutout}, {jitter}.")
    if exact and (cutout or jitter):
        raise LabError("exact=True has crop and flip only; leave out cutout and jitter, or exact.")
    if exact:
        return PerSample(get_supervised_transform(as_size(image_size), pad=pad, flip=flip))
    return Supervised(as_size(image_size), pad=pad, flip=flip, cutout=cutout, jitter=jitter)


@dataclass
class Rows:
    """A padded set as overlapping rows, ready for crops of one size."""

    rows: Tensor  # (positions, run) view: a row begins at every pixel
    steps: Tensor  # (rows per crop,) from a crop's first row to each of its rows, in positions
    image: int  # positions from one image to the next
    line: int  # positions from one line to the next
    mirror: int  # positions from an image to its flipped copy; 0 where none is stored
    last: int  # the last column at which a crop may begin
    channels: int
    stored_last: bool  # channels last in memory
    channels_last: bool  # ... and in the result


class Supervised(Augmentation):
    """See `supervised`."""

    def __init__(self, size: Size, *, pad, flip, cutout, jitter):
        self.size = size
        self.pad, self.flip, self.cutout, self.jitter = int(pad), bool(flip), int(cutout), float(jitter)

    def draw(self, count: int, generator: torch.Generator, *, image: tuple[int, int]) -> Tensor:
        """Return (count, 5 or 9): crop's line and column, flip, cutout's center, then four for the colors."""
        places = (image[0] + 2 * self.pad - self.size.height + 1, image[1] + 2 * self.pad - self.size.width + 1)
        choices = torch.tensor([*places, 1 + self.flip, *self.size])
        params = (torch.rand(count, 5, generator=generator) * choices).floor()
        if not self.jitter:
            return params
        color = draw_color(count, generator, strength=self.jitter / 0.8, probability=1, gray=0)
        return torch.cat([params, color], 1)

    def _padded(self, image: torch.Size) -> tuple[int, int]:
        """Return height and width with padding; LabError where the crop is larger than that."""
        height, width = image[0] + 2 * self.pad, image[1] + 2 * self.pad
        if self.size.height > height or self.size.width > width:
            raise LabError(
                f"A crop of {self.size.height}x{self.size.width} does not fit into images of "
                f"{image[0]}x{image[1]} padded by {self.pad}; use a smaller image_size or a larger pad."
            )
        return height, width

    def prepared_bytes(self, shape: torch.Size, itemsize: int, *, mirrored: bool = False) -> int:
        height, width = self._padded(shape[2:])
        return itemsize * shape[0] * shape[1] * height * width * (2 if mirrored and self.flip else 1)

    def prepare(self, images, *, device=None, channels_last: bool = False, mirrored: bool = False) -> Rows:
        height, width = self._padded(images.shape[2:])
        if self.jitter:
            check_channels(images.shape[1])
        device, channels = torch.device(device or images.device), images.shape[1]
        stored_last = channels_last and not self.jitter  # the color product wants channels first
        copies = 2 if mirrored and self.flip else 1
        shape = (height, width, channels) if stored_last else (channels, height, width)
        store = torch.zeros((images.shape[0], copies, *shape), dtype=images.dtype, device=device)
        padded = store.permute(0, 1, 4, 2, 3) if stored_last else store  # (N, copies, C, Hp, Wp)
        inner = padded[..., self.pad : self.pad + images.shape[2], self.pad : self.pad + images.shape[3]]
        fill(inner[:, 0], images)
        for part in inner.split(4096) if copies == 2 else ():  # the flipped temporary stays small
            part[:, 1].copy_(part[:, 0].flip(-1))
        apart = channels if stored_last else 1  # elements from one pixel to the next
        run = self.size.width * apart
        rows = store.as_strided(((store.numel() - run) // apart + 1, run), (apart, 1))
        lines = torch.arange(self.size.height, device=device) * width
        planes = torch.arange(1 if stored_last else channels, device=device) * height * width
        image = height * width * (1 if stored_last else channels)
        return Rows(
            rows,
            steps=(planes[:, None] + lines).flatten(),
            image=image * copies,
            line=width,
            mirror=image if copies == 2 else 0,
            last=width - self.size.width,
            channels=channels,
            stored_last=stored_last,
            channels_last=channels_last,
        )

    def render(self, prepared: Rows, index: Tensor, params: Tensor, normalize: Normalize) -> Tensor:
        top, left, flip = params[:, :3].long().unbind(1)
        if prepared.mirror:  # in the flipped copy the crop begins at last - left
            left = left + flip * (prepared.mirror + prepared.last - 2 * left)
        first = index * prepared.image + top * prepared.line + left
        rows = prepared.rows.index_select(0, (first[:, None] + prepared.steps).flatten())  # (B * rows per crop, run)
        rows = rows.view(len(index), prepared.channels * self.size.height * self.size.width)
        if self.flip and not prepared.mirror:  # mirror the crops whose flip was drawn; shapes stay static
            apart = prepared.channels if prepared.stored_last else 1
            flipped, chosen = rows.view(-1, self.size.width, apart).flip(1).view(rows.shape), params[:, 2:3] > 0
            if rows.dtype == torch.uint8:  # on a CPU five times as fast as `where`
                mask = chosen.to(torch.uint8) * 255
                rows = flipped.bitwise_xor_(rows).bitwise_and_(mask).bitwise_xor_(rows)
            else:
                rows = torch.where(chosen, flipped, rows)
        shape = (prepared.channels, self.size.height, self.size.width)
        if not self.jitter:
            out = normalize(rows, shape, channels_last=prepared.stored_last)
            return self._cut(out, params) if self.cutout else out
        order = torch.channels_last if prepared.channels_last else torch.contiguous_format
        out = torch.empty((len(rows), *shape), device=rows.device, memory_format=order)
        change, step = AffineColor(params[:, 5:], prepared.channels, normalize), chunk_rows(out.shape, out.device)
        for start in range(0, len(rows), step):  # recolored, clamped to [0, 1] and normalized
            part = slice(start, start + step)
            plain = rows[part].float().view(-1, prepared.channels, self.size.height * self.size.width)
            out[part].copy_(change.apply(plain, part, torch.empty_like(plain)).view(out[part].shape))
        return self._cut(out, params) if self.cutout else out

    def _cut(self, out: Tensor, params: Tensor) -> Tensor:
        """Set a square of each image to 0, in place."""
        inside = []
        for center, side in zip(params[:, 3:5].unbind(1), self.size, strict=True):
            away = torch.arange(side, device=out.device) - center[:, None]
            inside.append(((away >= -(self.cutout // 2)) & (away < self.cutout - self.cutout // 2)).float())
        rows, columns = inside  # (B, h), (B, w)
        memory = out if out.is_contiguous() else out.permute(0, 2, 3, 1)
        if not out.is_contiguous():
            columns = columns.repeat_interleave(out.shape[1], 1)  # (B, w * C)
        memory = memory.view(len(out), -1, rows.shape[1], columns.shape[1])  # (B, C or 1, h, ...)
        step = chunk_rows(out.shape, out.device)
        for start in range(0, len(out), step):
            part = slice(start, start + step)
            keep = 1 - rows[part, :, None] * columns[part, None, :]
            memory[part].mul_(keep[:, None])
        return out
