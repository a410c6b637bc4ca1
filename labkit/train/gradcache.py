"""A contrastive loss over a group of batches as if it were one: exact, with one batch in memory at a time.

Plain accumulation is no larger contrastive batch: each part would meet its own negatives alone. Here all
projections are computed first, without a graph; the loss of all of them gives each its gradient; then every
batch is run again and backpropagates the gradient of its projections (GradCache: Gao et al. 2021, arXiv:2101.06983).
BatchNorm still sees one batch at a time, as it does on several processes.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from labkit.seeding import rng_state, set_rng_state


def backward(
    project: Callable[[object], tuple[Tensor, Tensor]],
    batches: Sequence,
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    model: nn.Module,
    scale: Callable[[Tensor], Tensor],
    no_sync: Callable[[bool], AbstractContextManager],
) -> tuple[Tensor, Tensor, Tensor]:
    """Put the gradient of the group's one loss into the model's parameters; return loss, z1, z2 (sum B, D).

    project: a batch -> its two views' projections, (B, D) each. scale: multiplies the loss, as an fp16 step
    requires. no_sync(wanted): a context for a batch's second run (several processes average only the last).
    """
    states, parts = [], []
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    with torch.no_grad():
        for batch in batches:
            states.append(rng_state())
            parts.append(project(batch))
        for buffer, before in buffers:
            buffer.copy_(before)  # BatchNorm's averages count the second run alone
    z1, z2 = (torch.cat(views).requires_grad_() for views in zip(*parts, strict=True))
    value = loss(z1, z2)
    gradients = torch.autograd.grad(scale(value), (z1, z2))
    sizes = [len(first) for first, _ in parts]
    after = rng_state()
    for number, (batch, state, *d_views) in enumerate(
        zip(batches, states, *(part.split(sizes) for part in gradients), strict=True)
    ):
        set_rng_state(state)  # dropout falls where it fell the first time
        with no_sync(number < len(batches) - 1):
            again = project(batch)
            sum((z * d_z).sum() for z, d_z in zip(again, d_views, strict=True)).backward()
    set_rng_state(after)
    return value.detach(), z1.detach(), z2.detach()
