"""Right answers of lab04: one process that does what the ranks must do together, and the cost model."""

from collections.abc import Sequence
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor


def gather_gradients(rows: Sequence[Tensor], weights: Sequence[Tensor], mode: str) -> list[Tensor]:
    """Return d (sum of all ranks' losses) / d rows of each rank, for the losses of `ranks.gathered`."""
    leaves = [one.double().requires_grad_(True) for one in rows]
    everyone, total = torch.cat(leaves), 0.0
    for rank, weight in enumerate(weights):
        total = (
            total
            + {
                "weighted": (everyone**2 * weight).sum(),
                "shared": (everyone * weight).sum(),
                "sum": (rank + 1) * everyone.sum(),
            }[mode]
        )
    return list(torch.autograd.grad(total, leaves))


def factor(got: Tensor, wanted: Tensor) -> str:
    """Return a remark where a gradient is the right one times a number."""
    if got.shape != wanted.shape:
        return f" (its shape is {tuple(got.shape)})"
    ratio = float((got.double() * wanted).sum() / (wanted * wanted).sum())
    alike = (got.double() - ratio * wanted).abs().max() < 1e-4 * wanted.abs().max()
    return f" (it is {ratio:.3g} times that)" if alike and abs(ratio) > 1e-3 else ""


def trajectory(model, optimizer, batches: Sequence) -> tuple[list[float], list[Tensor]]:
    """Return the losses and last weights of one process that takes all ranks' images in one batch."""
    losses = []
    for images, labels in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, [one.detach() for one in model.parameters()]


def speedup_table(seconds: dict[int, Sequence[float]], kind: str, batch_size: int) -> list[list[float]]:
    """Return [ranks, step_s, images_per_second, speedup, efficiency] of each number of ranks."""
    steps = {ranks: median(times[1:]) for ranks, times in sorted(seconds.items())}
    rows = []
    for ranks, step_s in steps.items():
        ratio = steps[1] / step_s
        images = batch_size * (ranks if kind == "weak" else 1)
        speedup, efficiency = (ratio, ratio / ranks) if kind == "strong" else (ratio * ranks, ratio)
        rows.append([ranks, step_s, images / step_s, speedup, efficiency])
    return rows


def predict_step_time(
    *, forward_s, backward_s, optimizer_s, buckets, world_size, alpha_s, beta_bytes_per_s, first_bucket_s, input_s=0.0
) -> float:
    """Return T_in + T_forward + max(T_backward, T_first + sum t_i, i < m) + t_m + T_optimizer."""
    hops = 2 * (world_size - 1)
    times = [hops * alpha_s + hops / world_size * size / beta_bytes_per_s for size in buckets]
    if world_size == 1:
        return input_s + forward_s + backward_s + optimizer_s
    overlapped = max(backward_s, first_bucket_s + sum(times[:-1]))
    return input_s + forward_s + overlapped + times[-1] + optimizer_s
