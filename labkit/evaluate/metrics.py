"""Metrics: pure functions on tensors of any device; nothing here waits for the device."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.run_folder import LabError


def accuracy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the share of correct answers. outputs: (B, K) scores or (B,) predicted classes; labels: (B,)."""
    predictions = outputs.argmax(1) if outputs.ndim == 2 else outputs
    return (predictions == labels).float().mean()


def top_k_accuracy(logits: Tensor, labels: Tensor, k: int = 5) -> Tensor:
    """Return the share of samples whose class is among the k highest scores. logits: (B, K); labels: (B,)."""
    best = logits.topk(min(k, logits.shape[1]), dim=1).indices  # (B, k)
    return (best == labels[:, None]).any(1).float().mean()


def confusion_matrix(predictions: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Return counts (K, K) int64: row = true class, column = predicted class."""
    cells = labels * num_classes + predictions
    counts = torch.zeros(num_classes**2, dtype=torch.int64, device=cells.device)
    return counts.scatter_add_(0, cells, torch.ones_like(cells)).view(num_classes, num_classes)


class PrecisionRecallF1(NamedTuple):
    """Three scalars: means over the classes."""

    precision: Tensor
    recall: Tensor
    f1: Tensor


def precision_recall_f1(confusion: Tensor) -> PrecisionRecallF1:
    """Return macro-averaged precision, recall and F1 from a (K, K) confusion matrix; 0 where a quotient is 0 / 0.

    The mean is over the classes that occur in truth or prediction. (Micro averages would all equal accuracy.)
    """
    c = confusion.double()
    hits, predicted, true = c.diagonal(), c.sum(0), c.sum(1)
    occurs = predicted + true > 0
    each = hits / predicted.clamp_min(1), hits / true.clamp_min(1), 2 * hits / (predicted + true).clamp_min(1)
    return PrecisionRecallF1(*((value * occurs).sum() / occurs.sum().clamp_min(1) for value in each))


def alignment(z1: Tensor, z2: Tensor, *, alpha: float = 2.0) -> Tensor:
    """Return the mean distance^alpha of two views of one image on the unit sphere (Wang & Isola 2020).

    z1, z2: (B, D). 0 is perfect, and also what a collapsed encoder gives: read it beside `uniformity`.
    """
    return (F.normalize(z1.float(), dim=1) - F.normalize(z2.float(), dim=1)).norm(dim=1).pow(alpha).mean()


def uniformity(z: Tensor, *, t: float = 2.0) -> Tensor:
    """Return log mean exp(-t distance^2) over the pairs of unit rows of z (B, D) (Wang & Isola 2020).

    0 when all rows coincide (collapse); about -2t when they spread over a sphere of many dimensions. Raises
    LabError for fewer than two rows.
    """
    _require_pair(z)
    distances = torch.pdist(F.normalize(z.float(), dim=1))  # (B (B - 1) / 2,)
    return distances.square().mul(-t).logsumexp(0) - math.log(len(distances))


def feature_std(z: Tensor) -> Tensor:
    """Return the mean over dimensions of the std of unit rows, times sqrt(D) (Chen & He 2021). z: (B, D).

    About 1 for features that spread in all directions, 0 for a collapsed encoder. Raises LabError for fewer
    than two rows.
    """
    _require_pair(z)
    return F.normalize(z.float(), dim=1).std(0).mean() * math.sqrt(z.shape[1])


def _require_pair(z: Tensor) -> None:
    if len(z) < 2:
        raise LabError(f"Needs at least 2 feature rows (got {len(z)}); take a larger batch.")
