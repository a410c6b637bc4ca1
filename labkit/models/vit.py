"""The CIFAR-10 study's vision transformers: vit (9,523,722 parameters), vit_small, vit_tiny, vit_simple.

vit: Dosovitskiy et al. 2020 (arXiv 2010.11929). vit_small, vit_tiny: Lee et al. 2021 (arXiv 2112.13492, for
small data sets): each patch is taken from the image and its four one-pixel shifts, attention has a learned
temperature and may not look at its own token. vit_simple: Beyer et al. 2022 (arXiv 2205.01580): fixed sine-
cosine positions, mean pooling, no class token, no dropout. Sizes as the study ran them, after the vision-
transformers-cifar10 collection (whose vit_tiny has mlp_dim 256, not 512). Test accuracies there: .457,
.567, .598, .506, all below the convolutions: 50,000 small images are few for a transformer.
"""

import math
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.models.heads import last_layer, need_tiles
from labkit.run_folder import LabError

SHIFTS = ((1, -1, 0, 0), (-1, 1, 0, 0), (0, 0, 1, -1), (0, 0, -1, 1))  # one pixel right, left, down, up


def to_patches(images: Tensor, size: int) -> Tensor:
    """Return the patches of (B, C, S, S), row by row: (B, N, size * size * C), channels innermost."""
    batch, channels, side, _ = images.shape
    n = side // size
    x = images.reshape(batch, channels, n, size, n, size).permute(0, 2, 4, 3, 5, 1)
    return x.reshape(batch, n * n, size * size * channels)


def sine_cosine_positions(side: int, dim: int) -> Tensor:
    """Return fixed embeddings of a side x side grid: (side * side, dim); dim / 4 frequencies, 1 to 1e-4."""
    frequency = 10_000.0 ** -(torch.arange(dim // 4) / (dim // 4 - 1))
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    y, x = (g.reshape(-1, 1) * frequency for g in (y, x))  # (N, dim / 4)
    return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], dim=1)


class PatchEmbedding(nn.Module):
    """images (B, C, S, S) -> tokens (B, N, dim); `shifted` adds the four one-pixel shifts to each patch."""

    def __init__(self, dim: int, *, patch_size: int, channels: int, shifted: bool):
        super().__init__()
        self.patch_size, self.shifted = patch_size, shifted
        width = patch_size * patch_size * channels * (5 if shifted else 1)
        self.norm = nn.LayerNorm(width) if shifted else nn.Identity()
        self.linear = nn.Linear(width, dim)

    def forward(self, images: Tensor) -> Tensor:
        if self.shifted:
            images = torch.cat([images, *(F.pad(images, shift) for shift in SHIFTS)], dim=1)  # (B, 5C, S, S)
        return self.linear(self.norm(to_patches(images, self.patch_size)))


class Attention(nn.Module):
    """Multi-head self-attention (B, N, dim) -> (B, N, dim).

    `local`: Lee et al.'s locality attention: a learned temperature (starting at 1 / sqrt(head_dim)), and
    no token attends to itself.
    """

    def __init__(self, dim: int, *, heads: int, head_dim: int, local: bool, bias: bool):
        super().__init__()
        self.heads, self.head_dim = heads, head_dim
        self.qkv = nn.Linear(dim, 3 * heads * head_dim, bias=False)
        self.out = nn.Linear(heads * head_dim, dim, bias=bias)
        self.log_temperature = nn.Parameter(torch.tensor(-0.5 * math.log(head_dim))) if local else None

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, self.head_dim)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, head_dim)
        if self.log_temperature is None:
            out = F.scaled_dot_product_attention(q, k, v)
        else:
            others = ~torch.eye(tokens, dtype=torch.bool, device=x.device)
            q = q * self.log_temperature.exp().to(q.dtype)
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=others, scale=1.0)
        return self.out(out.transpose(1, 2).reshape(batch, tokens, -1))


class Layer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): (B, N, dim) -> (B, N, dim)."""

    def __init__(self, dim: int, *, heads: int, head_dim: int, mlp_dim: int, dropout: float, local: bool, bias: bool):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads=heads, head_dim=head_dim, local=local, bias=bias)
        self.drop = nn.Dropout(dropout)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(
            nn.Linear(dim, mlp_dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(mlp_dim, dim), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop(self.attention(self.norm1(x)))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """Transformer over image patches; images (B, C, S, S) -> (B, num_classes), or (B, dim) features.

    small_data: shifted patches and locality attention. simple: fixed sine-cosine positions and the mean of the
    tokens; otherwise a class token is learned and read. Raises LabError unless patches tile the image and the
    width suits the positions.
    """

    def __init__(
        self,
        name: str,
        small_data: bool,
        simple: bool,
        /,
        *,
        num_classes: int | None = 10,
        image_size: int = 32,
        channels: int = 3,
        patch_size: int = 4,
        dim: int = 512,
        depth: int = 6,
        heads: int = 8,
        head_dim: int = 64,
        mlp_dim: int = 512,
        dropout: float = 0.1,
    ):
        super().__init__()
        need_tiles(name, image_size, patch_size)
        if dim % 4 or dim < 8:
            raise LabError(f"{name} needs a dim that 4 divides, 8 or more; got {dim}.")
        self.num_classes, self.num_features, self.image_size = num_classes, dim, image_size
        self.channels, self.simple = channels, simple
        side = image_size // patch_size
        self.embedding = PatchEmbedding(dim, patch_size=patch_size, channels=channels, shifted=small_data)
        if simple:
            self.register_buffer("positions", sine_cosine_positions(side, dim), persistent=False)
        else:
            self.class_token = nn.Parameter(torch.randn(1, 1, dim))
            self.positions = nn.Parameter(torch.randn(1, side * side + 1, dim))
        self.drop = nn.Dropout(dropout)
        layer: dict[str, Any] = {"heads": heads, "head_dim": head_dim, "mlp_dim": mlp_dim, "dropout": dropout}
        self.layers = nn.Sequential(*(Layer(dim, **layer, local=small_data, bias=not simple) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)
        self.head = last_layer(dim, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.embedding(images)  # (B, N, dim)
        if not self.simple:
            x = torch.cat([self.class_token.expand(len(x), -1, -1).to(x.dtype), x], dim=1)  # (B, N + 1, dim)
        x = self.layers(self.drop(x + self.positions))
        x = x.mean(1) if self.simple else x[:, 0]  # (B, dim)
        return self.head(self.norm(x))


# name, small_data, simple, and the sizes that differ from ViT's own
vit = partial(ViT, "vit", False, False)
vit_small = partial(ViT, "vit_small", True, False)
vit_tiny = partial(ViT, "vit_tiny", True, False, depth=4, heads=6)
vit_simple = partial(ViT, "vit_simple", False, True, dropout=0.0)
