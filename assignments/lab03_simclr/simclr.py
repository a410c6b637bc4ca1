"""Lab 03, SimCLR: write NTXentLoss (8 points), SimCLRModel (6) and get_simclr_transform (6). See README.md.

Self-check: `from autograder import check; check("lab03")`, or `labkit check lab03` in a terminal.
"""

import torch
from torch import Tensor, nn


class NTXentLoss(nn.Module):
    """The contrastive loss of SimCLR: each of the 2N views has to find its partner among the 2N - 1 others.

    device: where masks and targets live. batch_size: the usual N; the last batch of an epoch may be smaller.
    temperature: T, 0.05 to 1. Self-check: when all rows are equal, the loss is log(2N - 1).
    """

    def __init__(self, device: torch.device, batch_size: int, temperature: float):
        super().__init__()
        raise NotImplementedError("lab03, NTXentLoss: see section 1 of the handout")

    def forward(self, z_i: Tensor, z_j: Tensor) -> Tensor:
        """z_i, z_j: (N, D) projections of any length; row k of both comes from image k. Returns one
        number.
        """
        raise NotImplementedError("lab03, NTXentLoss: see section 1 of the handout")


class SimCLRModel(nn.Module):
    """Backbone f and projection head g: images (B, 3, S, S) -> z = g(f(x)), (B, projection_dim).

    f(x) is the class token of `backbone(pixel_values=x).last_hidden_state`, (B, backbone.config.hidden_size).
    Self-check: the output has the shape (B, projection_dim), also for B = 1 in eval mode.
    """

    def __init__(self, backbone: nn.Module, projection_dim: int):
        super().__init__()
        raise NotImplementedError("lab03, SimCLRModel: see section 2 of the handout")

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 3, S, S) -> z (B, projection_dim)."""
        raise NotImplementedError("lab03, SimCLRModel: see section 2 of the handout")


def get_simclr_transform(size: int):
    """Return a random transform: PIL image -> one view, a float tensor (3, size, size).

    Self-check: `transform(image)` twice gives two different tensors of that shape.
    """
    raise NotImplementedError("lab03, get_simclr_transform: see section 3 of the handout")
