"""Lab 05, training: train_step (8 points), evaluate (3), fit (4), train_probe (2), save_state and load_state
(3). See README.md.

Self-check: `from autograder import check; check("lab05")`, or `labkit check lab05` in a terminal.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

Batch = tuple[Tensor, Tensor]  # images (B, ...), labels (B,)


def train_step(
    model: nn.Module,
    optimizer: Optimizer,
    batches: Sequence[Batch],
    *,
    scaler: torch.amp.GradScaler | None = None,
    clip: float | None = None,
) -> float:
    """Take ONE update from all images of `batches` (one or several, of any sizes), in train mode. (8 points)

    The gradient is that of the mean cross-entropy over all images; each batch goes through the model once, on
    its own and in order. Gradients left from before do not count. clip: the largest norm of the whole, true
    (unscaled) gradient. scaler: scales the loss; a step whose gradients overflow is skipped.
    Returns the mean loss over all images, as the model was before the update. Self-check: with one batch and
    plain SGD, weights change by -lr * gradient.
    """
    raise NotImplementedError("lab05, train_step: see section 1 of the handout")


def evaluate(model: nn.Module, batches: Iterable[Batch]) -> tuple[float, float]:
    """Return (mean cross-entropy, accuracy from 0 to 1) over all images, in eval mode. (3 points)

    Nothing is left behind: mode, weights, buffers, gradients, what is frozen and torch's random generator are
    as before.
    Self-check: splitting the same images into other batches changes nothing.
    """
    raise NotImplementedError("lab05, evaluate: see section 2 of the handout")


def fit(
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    batches_of: Callable[[int], Iterable[Batch]],
    epochs: int,
    *,
    accumulate: int = 1,
    val: Sequence[Batch] | None = None,
) -> list[dict]:
    """Train and return a row per epoch: train_loss and, with `val`, val_loss and val_accuracy. (4 points)

    batches_of(epoch): that epoch's batches (an iterator), epochs from 0. Every `accumulate` batches make one
    update, those left over at the end of an epoch one too. The scheduler steps once after every update.
    train_loss: mean over the epoch's images, each as it was seen in training.
    Self-check: with one update in all, the scheduler has counted one.
    """
    raise NotImplementedError("lab05, fit: see section 3 of the handout")


def train_probe(backbone: nn.Module, head: nn.Module, optimizer: Optimizer, batches: Iterable[Batch]) -> float:
    """Train `head` for one epoch on the features of a frozen backbone, head(backbone(images)). (2 points)

    One update per batch. Returns the mean loss over all images. The backbone works in eval mode and is
    afterwards as it was: weights, BatchNorm buffers, mode, requires_grad, no gradients; even though
    `optimizer` may hold its parameters too. Self-check: backbone.state_dict() is the same before and after.
    """
    raise NotImplementedError("lab05, train_probe: see section 4 of the handout")


def save_state(model: nn.Module, optimizer: Optimizer, scheduler: LRScheduler, step: int) -> dict:
    """Return all that is needed to go on later exactly as if there had been no break. (3 points, both)

    A snapshot that torch.save can write: it does not change when training goes on. It holds the random
    generators of torch (CPU), `random` and numpy as well.
    Self-check: 5 steps, save, 5 steps more; load into new objects, 5 steps: equal weights.
    """
    raise NotImplementedError("lab05, save_state: see section 5 of the handout")


def load_state(state: dict, model: nn.Module, optimizer: Optimizer, scheduler: LRScheduler) -> int:
    """Bring model, optimizer, scheduler and random generators to the saved state; return its step."""
    raise NotImplementedError("lab05, load_state: see section 5 of the handout")
