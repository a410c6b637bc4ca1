"""Color changes as one affine map per image: out = M x + n w.m, with m the mean color of the image itself.

Brightness b multiplies; contrast c mixes with the mean gray w.m; saturation s with the pixel's gray w.x; hue
t turns the chroma, which leaves w.x alone. Unclamped, the four therefore commute, whatever their order:

    out = b c (w.x + s (cos t) (x - w.x) + s (sin t) V x) + b (1 - c) w.m

Grayscale is s = 0. Four numbers per image determine it: b c, b c s cos t, b c s sin t and b (1 - c).
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from labkit.run_folder import LabError
from labkit.transforms.batched.augmentation import Normalize

YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))  # luma, then chroma


def draw_color(count: int, generator: torch.Generator, *, strength=1.0, probability=0.8, gray=0.2) -> Tensor:
    """Return (count, 4), SimCLR's color distortion of strength s (Chen et al. 2020, appendix A).

    With `probability`, brightness, contrast and saturation are multiplied by uniform(1 - 0.8 s, 1 + 0.8 s), not below
    0, and the hue turned by uniform(-0.2 s, 0.2 s) of a circle; with probability `gray` the image turns gray.
    """
    uniform = torch.rand(count, 6, generator=generator)
    jittered = uniform[:, :1] < probability
    low, high = max(0.0, 1 - 0.8 * strength), 1 + 0.8 * strength
    factors = torch.where(jittered, low + (high - low) * uniform[:, 1:4], 1.0)
    turns = torch.where(jittered[:, 0], min(0.2 * strength, 0.5) * (2 * uniform[:, 4] - 1), 0.0)
    brightness, contrast, saturation = factors.unbind(1)
    saturation = torch.where(uniform[:, 5] < gray, 0.0, saturation)
    return distortion(brightness, contrast, saturation, turns)


def distortion(brightness: Tensor, contrast: Tensor, saturation: Tensor, turns: Tensor) -> Tensor:
    """Return (B, 4) of three factors (B,), 1 changes nothing, and hue turns (B,), 1 is a whole circle."""
    both, angle = brightness * contrast, 2 * math.pi * turns
    chroma = both * saturation
    return torch.stack([both, chroma * angle.cos(), chroma * angle.sin(), brightness * (1 - contrast)], 1)


@lru_cache(maxsize=8)
def _basis(device: torch.device) -> Tensor:
    """Return (3, 9): to gray, chroma as it is, chroma turned by a quarter circle; each a 3x3 matrix."""
    forth = torch.tensor(YIQ, dtype=torch.float64)
    back = torch.linalg.inv(forth)
    to_gray = forth[:1].expand(3, 3)
    quarter = torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=torch.float64)
    basis = torch.stack([to_gray, torch.eye(3) - to_gray, back @ quarter @ forth])
    return basis.float().view(3, 9).to(device)


def check_channels(channels: int) -> None:
    """Raise LabError unless there are colors to change."""
    if channels not in (1, 3):
        raise LabError(f"Color changes need 1 or 3 channels, not {channels}; set their strength to 0.")


class AffineColor:
    """The color change of a batch, normalization included: made once, applied to some images at a time."""

    def __init__(self, color: Tensor, channels: int, normalize: Normalize):
        """color: (B, 4) of `distortion`; channels: 1 or 3."""
        basis = _basis(color.device)
        if channels == 1:  # gray stays gray, whatever happens to chroma
            mix, luma = color[:, :1, None], color.new_ones(1)
        else:
            mix, luma = (color[:, :3, None] * basis).sum(1).view(-1, 3, 3), basis[0, :3]
        self.mix = mix * normalize.factor[:, None]  # (B, C, C)
        self.mean = color[:, 3:]  # (B, 1)
        self.luma = luma[:, None] * normalize.factor  # (C, C): mean color -> mean gray, normalized
        self.normalize = normalize

    def apply(self, pixels: Tensor, part: slice, out: Tensor) -> Tensor:
        """Write pixels (B, C, P) of images `part`, stored units, recolored and normalized into out."""
        _, channels, area = pixels.shape
        _, _, low, high = self.normalize.constants(area)
        shift = torch.addcmul(self.normalize.offset, pixels.mean(2) @ self.luma, self.mean[part])  # (B, C)
        torch.baddbmm(shift[:, :, None], self.mix[part], pixels, out=out)
        return torch.clamp(out, low.view(channels, area), high.view(channels, area), out=out)
