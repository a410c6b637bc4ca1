"""The SimCLR view as clamp(M (A_y X A_x^T) + N mean): two batched matrix products and one small colour
product."""

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.augment.colour import draw_colour, matrices, recolour
from labkit.augment.exact import Exact
from labkit.augment.resize import blur_matrix, blur_size, draw_crops, draw_sigmas, resize_matrix
from labkit.errors import LabError
from labkit.pixels import Augmentation, Scale, as_size, chunks, fill
from labkit.transforms import get_simclr_transform

INTERPOLATIONS = ("bilinear", "bicubic")


def simclr_view(size, *, strength=1.0, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3), flip=0.5, jitter=0.8, gray=0.2,
                blur=False, interpolation="bilinear", exact=False) -> Augmentation:  # fmt: skip
    """Return the augmentation that makes one SimCLR view of (height, width) or square `size` (Chen et al.
    2020).

    strength: the paper's s (1 for ImageNet, 0.5 for CIFAR), 0 leaves colours alone; area, aspect: of the
    crop; flip, jitter, gray: probabilities; blur: True, or a probability (True is the paper's 0.5), sigma
    uniform(0.1, 2) pixels, kernel a tenth of the side; interpolation: bilinear or bicubic, both antialiased
    where a crop is reduced. exact: run torchvision's per-sample pipeline instead, some 40 times slower.

    Against torchvision's pipeline on uint8 images: crops, flips, factors, order of the four colour
    operations, grayscale, sigmas and kernels have the same distribution, and a resized crop is the same to
    rounding. Different: colours are clamped to [0, 1] once, at the end, not after every step; nothing is
    rounded to whole steps of 1/255 in between; hue turns the chroma plane of YIQ, which keeps luma, where
    torchvision shifts the H of HSV; blur comes before the colours (they commute but for the clamp, and
    contrast's mean is the blurred view's).
    """
    blur = 0.5 if blur is True else float(blur)
    _check(strength, area, aspect, {"flip": flip, "jitter": jitter, "gray": gray, "blur": blur}, interpolation)
    if exact:
        return Exact(get_simclr_transform(size, strength=strength, area=area, aspect=aspect, flip=flip, jitter=jitter,
                                          gray=gray, blur=blur, interpolation=interpolation), size)  # fmt: skip
    return SimCLRView(size, strength=strength, area=area, aspect=aspect, flip=flip, jitter=jitter, gray=gray, blur=blur,
                      interpolation=interpolation)  # fmt: skip


def _check(strength, area, aspect, probabilities: dict, interpolation) -> None:
    if strength < 0:
        raise LabError(f"strength is 0 (no colour change) or more; got {strength}.")
    if not 0 < area[0] <= area[1] <= 1 or not 0 < aspect[0] <= aspect[1]:
        raise LabError(f"area is (low, high) in (0, 1] and aspect (low, high) above 0; got {area} and {aspect}.")
    for name, value in probabilities.items():
        if not 0 <= value <= 1:
            raise LabError(f"{name} is a probability between 0 and 1; got {value}.")
    if interpolation not in INTERPOLATIONS:
        raise LabError(f"interpolation is one of {', '.join(INTERPOLATIONS)}; got {interpolation!r}.")


@dataclass
class Lines:
    """A set stored line by line with the channels of a line together, (N, H * C * W), as the products want
    it."""

    pixels: Tensor
    channels: int
    sides: tuple[int, int]     # height and width
    channels_last: bool        # of the rendered views


class SimCLRView(Augmentation):
    """See `simclr_view`."""

    def __init__(self, size, *, strength, area, aspect, flip, jitter, gray, blur, interpolation):
        self.size = as_size(size)
        self.strength, self.jitter, self.gray = float(strength), float(jitter), float(gray)
        self.area, self.aspect, self.flip, self.blur = area, aspect, float(flip), float(blur)
        self.cubic = interpolation == "bicubic"
        self.colours = self.gray > 0 or (self.strength > 0 and self.jitter > 0)

    def draw(self, count: int, generator: torch.Generator, *, image) -> Tensor:
        """Return (count, 6 or 24): crop (4), flip, sigma and, where colours change, M and N (18).

        image: (height, width) of the stored images, whose crops depend on it.
        """
        columns = [
            draw_crops(count, image, generator, area=self.area, aspect=self.aspect),
            (torch.rand(count, 1, generator=generator) < self.flip).float(),
            draw_sigmas(count, generator, probability=self.blur)[:, None],
        ]
        if self.colours:
            columns.append(draw_colour(count, generator, strength=self.strength, probability=self.jitter,
                                       gray=self.gray))  # fmt: skip
        return torch.cat(columns, 1)

    def prepared_bytes(self, shape, itemsize: int, *, mirrored: bool = False) -> int:
        return itemsize * torch.Size(shape).numel()

    def prepare(self, images, *, device=None, channels_last: bool = False, mirrored: bool = False) -> Lines:
        count, channels, height, width = images.shape
        if self.colours and channels not in (1, 3):
            raise LabError(f"Colour changes need 1 or 3 channels; these images have {channels}. Use strength=0, gray=0.")
        store = torch.empty((count, height, channels, width), dtype=images.dtype, device=device or images.device)
        fill(store.transpose(1, 2), images)
        return Lines(store.flatten(1), channels, (height, width), channels_last)

    def render(self, prepared: Lines, index: Tensor, drawn: Tensor, scale: Scale) -> Tensor:
        order = torch.channels_last if prepared.channels_last else torch.contiguous_format
        out = torch.empty((len(index), prepared.channels, *self.size), device=index.device, memory_format=order)
        for part in chunks(len(index), index.device):
            self._view(prepared, index[part], drawn[part], scale, out[part])
        return out

    def _view(self, prepared: Lines, index: Tensor, drawn: Tensor, scale: Scale, out: Tensor) -> None:
        """Write the views of some images into out (B, C, h, w)."""
        height, width = prepared.sides
        pixels = prepared.pixels.index_select(0, index).float()                          # (B, H * C * W)
        a_y, a_x = self._matrices(prepared.sides, drawn)                                 # (B, h, H), (B, w, W)
        pixels = torch.bmm(pixels.view(len(index), -1, width), a_x.transpose(1, 2))      # (B, H * C, w)
        pixels = torch.bmm(a_y, pixels.view(len(index), height, -1))                     # (B, h, C * w)
        pixels = pixels.unflatten(2, (prepared.channels, -1)).transpose(1, 2)            # (B, C, h, w)
        if not self.colours:
            out.copy_(pixels).mul_(scale.unit).clamp_(0, 1)
        else:
            self._colour(pixels.flatten(2), drawn[:, 6:], scale.unit, out)
        scale.finish(out)

    def _matrices(self, sides, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Return the row and the column matrix: crop, resize, flip and blur of each image."""
        top, left, height, width, flip, sigma = drawn[:, :6].unbind(1)
        a_y = resize_matrix(top, height, (sides[0], self.size.height), cubic=self.cubic)
        a_x = resize_matrix(left, width, (sides[1], self.size.width), mirror=flip > 0, cubic=self.cubic)
        if not self.blur:
            return a_y, a_x
        kernel = blur_size(min(self.size))
        return (blur_matrix(sigma, self.size.height, kernel) @ a_y, blur_matrix(sigma, self.size.width, kernel) @ a_x)

    def _colour(self, pixels: Tensor, colour: Tensor, unit: float, out: Tensor) -> None:
        m, n = matrices(colour * unit, pixels.shape[1])
        if out.is_contiguous():
            recolour(pixels, m, n, out.flatten(2))
        else:
            out.copy_(recolour(pixels, m, n, torch.empty_like(pixels)).view(out.shape))
