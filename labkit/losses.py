"""Losses: NT-Xent for contrastive steps; cross-entropy, focal and hard-example losses for supervised ones."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit import distributed
from labkit.run_folder import LabError, number, whole_number


def nt_xent(z1: Tensor, z2: Tensor, temperature: float = 0.5) -> Tensor:
    """Return NT-Xent: the cross-entropy of picking the positive among 2B - 1 candidates (Chen et al. 2020, eq. 1).

    z1, z2: (B, D) projections of this process alone; row i of both comes from image i. Any scale: they are
    normalized here. The result is a scalar, computed in fp32 (fp64 for fp64) also under autocast. Raises LabError
    where the two shapes differ or B is 0. `NTXentLoss` is the same number in less memory, over all ranks.
    """
    with torch.autocast(z1.device.type, enabled=False):
        z = _unit_rows(z1, z2)  # (2B, D)
        similarity = z @ z.T / _positive(temperature)  # (2B, 2B)
        similarity.fill_diagonal_(-math.inf)  # no view may pick itself
        partner = torch.arange(len(z), device=z.device).roll(len(z1))  # i <-> i + B
        return F.cross_entropy(similarity, partner)


def _unit_rows(z1: Tensor, z2: Tensor) -> Tensor:
    """Return both views stacked, (2B, D), with norm 1, in fp32 at least."""
    if z1.shape != z2.shape or z1.ndim != 2 or len(z1) == 0:
        got = f"{tuple(z1.shape)} and {tuple(z2.shape)}"
        raise LabError(f"NT-Xent needs two (B, D) views of equal shape with B >= 1; it got {got}.")
    z = torch.cat([z1, z2])
    return F.normalize(z if z.dtype == torch.float64 else z.float(), dim=1)


def _positive(temperature: float) -> float:
    return (
        temperature if isinstance(temperature, Tensor) else number("temperature", temperature, above=1e-30)
    )  # 1 / it is finite in fp32


# Elements of the similarity block that is held at a time: 16 MiB stays near a CPU's caches, a GPU wants more.
BLOCK = {"cpu": 2**22, "cuda": 2**26}


class _ChunkedNTXent(torch.autograd.Function):
    """Sum over anchors of -log softmax(anchor . candidates)[partner], where no anchor may pick itself.

    The gradient of a scalar can be computed in the forward pass: the (rows, candidates) block is overwritten in
    place and freed, and only (rows, D) matrices wait for backward. Rows are taken `chunk_size` at a time.
    """

    @staticmethod
    def forward(ctx, anchors, candidates, first, chunk_size):
        """anchors: (M, D), two stacked views = candidates[first : first + M]; candidates: (N, D)."""
        half = len(anchors) // 2
        partners = candidates[first : first + len(anchors)].roll(half, 0)  # (M, D), i <-> i + M/2
        wanted = any(ctx.needs_input_grad)
        d_anchors = torch.empty_like(anchors) if wanted else None
        d_candidates = torch.zeros_like(candidates) if wanted else None
        loss = -(anchors * partners).sum()
        for start in range(0, len(anchors), chunk_size):
            rows = anchors[start : start + chunk_size]  # (m, D)
            logits = rows @ candidates.T  # (m, N)
            logits.diagonal(first + start).fill_(-math.inf)  # row i is candidate first + start + i
            top = logits.amax(1, keepdim=True)
            weights = logits.sub_(top).exp_()
            total = weights.sum(1, keepdim=True)
            loss += (total.log() + top).sum()
            if wanted:
                torch.mm(weights, candidates, out=d_anchors[start : start + chunk_size]).div_(total)
                d_candidates.addmm_(weights.T, rows / total)
            del logits, weights  # so that the next block takes the same memory
        if wanted:
            d_candidates[first : first + len(anchors)] -= anchors.roll(half, 0)
            ctx.save_for_backward(d_anchors.sub_(partners), d_candidates)
        return loss

    @staticmethod
    def backward(ctx, grad):
        if torch.is_grad_enabled():  # what is saved does not depend on the rows: a second derivative would be wrong
            raise LabError("NTXentLoss cannot be derived twice (create_graph=True); nt_xent can.")
        d_anchors, d_candidates = ctx.saved_tensors
        return grad * d_anchors, grad * d_candidates, None, None


class NTXentLoss(nn.Module):
    """NT-Xent over the whole batch of all ranks, with one (chunk_size, candidates) block in memory at a time.

    Each rank averages over its own rows against everyone's, so that DDP's averaged gradient is that of the
    whole batch in one process (whose loss is the mean of the ranks' values); ranks may have unequally many rows.
    More ranks add negatives; so does `accumulate`: `fit` takes one loss over the group (`labkit.train.gradcache`).
    The default `chunk_size` keeps the block near 16 MiB (256 MiB on a GPU); none waits for backward. There is no
    second derivative: `nt_xent` has one.
    """

    def __init__(self, temperature: float = 0.5, *, chunk_size: int | None = None):
        super().__init__()
        self.temperature = _positive(temperature)
        self.chunk_size = None if chunk_size is None else whole_number("chunk_size", chunk_size, otherwise=", or None")

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """z1, z2: (B, D) projections of this rank's two views; -> scalar."""
        if torch._C._are_functorch_transforms_active():  # such as torch.func.grad, which may derive twice
            return nt_xent(z1, z2, self.temperature)
        with torch.autocast(z1.device.type, enabled=False):
            rows = _unit_rows(z1, z2) / math.sqrt(self.temperature)  # (2B, D): a product of two rows is a logit
            counts = distributed.gather_values(len(rows))
            everyone = distributed.gather_with_grad(rows, counts=counts)  # (sum of 2B, D)
            chunk_size = self.chunk_size or max(1, BLOCK.get(rows.device.type, BLOCK["cuda"]) // len(everyone))
            total = _ChunkedNTXent.apply(rows, everyone, sum(counts[: distributed.rank()]), chunk_size)
            return total / (len(everyone) / len(counts))


class SupervisedLoss(nn.Module):
    """Cross-entropy or focal loss, weighted by class, over all or only the hardest samples of a batch.

    `class_weights`: "balanced" (n / (K * count): needs `labels`, those of the training set, and `num_classes`) or one
    number per class. Raises LabError for options out of range, for focal with smoothing and for an empty class.
    """

    weight: Tensor | None

    def __init__(
        self,
        *,
        class_weights: str | Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        focal_gamma: float | None = None,
        hard_fraction: float | None = None,
        labels: Tensor | None = None,
        num_classes: int | None = None,
    ):
        super().__init__()
        if focal_gamma is not None and label_smoothing:
            raise LabError("focal_gamma and label_smoothing pull in opposite directions; set one of them.")
        for name, value, top in [("label_smoothing", label_smoothing, 1), ("focal_gamma", focal_gamma, math.inf)]:
            if value is not None and not 0 <= value < top:
                raise LabError(f"{name} is {value}; it must be at least 0 and below {top}.")
        if hard_fraction is not None and not 0 < hard_fraction <= 1:
            raise LabError(f"hard_fraction is {hard_fraction}; it must be above 0 and at most 1.")
        weight = None
        if isinstance(class_weights, str):
            if class_weights != "balanced" or labels is None or num_classes is None:
                raise LabError(
                    f'class_weights={class_weights!r}: give "balanced" with labels and num_classes, or a list.'
                )
            counts = torch.bincount(labels.cpu(), minlength=num_classes)
            if (counts == 0).any():
                empty = ", ".join(str(k) for k in (counts == 0).nonzero()[:, 0].tolist())
                raise LabError(f"Balanced class weights need samples of every class; there are none of class {empty}.")
            weight = len(labels) / (num_classes * counts.float())
        elif class_weights is not None:
            if num_classes is not None and len(class_weights) != num_classes:
                raise LabError(
                    f"{len(class_weights)} class weights for {num_classes} classes; give one number per class."
                )
            weight = torch.as_tensor(class_weights, dtype=torch.float32)
        self.register_buffer("weight", weight)
        self.label_smoothing, self.focal_gamma, self.hard_fraction = label_smoothing, focal_gamma, hard_fraction

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """logits: (B, K) of any float type; labels: (B,); -> scalar in fp32."""
        if self.weight is not None and self.weight.device != logits.device:
            self.weight = self.weight.to(logits.device)
        options: dict[str, Any] = {"weight": self.weight, "label_smoothing": self.label_smoothing}
        if self.focal_gamma is not None:  # -(1 - p)^gamma log p, p: of the true class (Lin et al. 2017, eq. 4)
            log_p = F.log_softmax(logits.float(), dim=1).gather(1, labels[:, None])[:, 0]  # (B,)
            # clamped, because the slope of x^gamma at 0 is infinite for gamma < 1
            doubt = (-torch.expm1(log_p)).clamp_min(1e-7)
            each = -(doubt**self.focal_gamma) * log_p
            each = each if self.weight is None else each * self.weight[labels]
        elif self.hard_fraction is not None:
            each = F.cross_entropy(logits.float(), labels, reduction="none", **options)
        else:
            return F.cross_entropy(logits.float(), labels, **options)
        if self.hard_fraction is not None:  # online hard example mining (Shrivastava et al. 2016)
            keep = each.topk(max(1, math.ceil(self.hard_fraction * len(each)))).indices
            each, labels = each[keep], labels[keep]
        return each.mean() if self.weight is None else each.sum() / self.weight[labels].sum()
