"""Everything that a check draws at random, from the grading seed and its name: repeatable, never known."""

import hashlib
import random
import secrets

import torch
from torch import Tensor


def new_seed() -> int:
    return secrets.randbits(48)


class Draw:
    """A stream of random sizes, numbers and images for one check."""

    def __init__(self, seed: int, check: str):
        self.seed = int.from_bytes(hashlib.sha256(f"{seed}/{check}".encode()).digest()[:6], "big")
        self.random = random.Random(self.seed)
        self.generator = torch.Generator().manual_seed(self.seed)

    def integer(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        return self.random.randint(low, high)

    def real(self, low: float, high: float) -> float:
        return self.random.uniform(low, high)

    def choice(self, options):
        return self.random.choice(list(options))

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator)

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator)

    def permutation(self, count: int) -> Tensor:
        return torch.randperm(count, generator=self.generator)

    def noise_image(self, height: int, width: int, cell: int = 4) -> Tensor:
        """Return an image (H, W, 3), uint8, of random colored cells."""
        rows, columns = -(-height // cell), -(-width // cell)
        cells = torch.randint(0, 256, (rows, columns, 3), generator=self.generator, dtype=torch.uint8)
        return cells.repeat_interleave(cell, 0).repeat_interleave(cell, 1)[:height, :width].contiguous()
