"""Lab 04, scaling: shard (5 points), all_gather_with_grad (4), train_step_ddp (5), speedup_table (3),
predict_step_time (3). See README.md.

Self-check: `from autograder import check; check("lab04")`, or `labkit check lab04` in a terminal.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.optim import Optimizer


def shard(indices: Sequence[int] | Tensor, rank: int, world_size: int, epoch: int) -> list[int] | Tensor:
    """Return the images of one rank for one epoch: n // world_size of them, shuffled. (5 points)

    indices: any numbers, a list or a tensor (n,), the same on all ranks; it stays as it is. All ranks shuffle
    alike, anew for each epoch, share out without overlap, and drop the n % world_size left over.
    The same arguments give the same answer, and no random generator of the program is touched.
    Self-check: the shards of ranks 0 and 1 of 2, put together and sorted, are `indices` for an even n.
    """
    raise NotImplementedError("lab04, shard: see section 1 of the handout")


def all_gather_with_grad(rows: Tensor) -> Tensor:
    """Return the rows of all ranks in rank order: (B, ...) on each of R ranks -> (R * B, ...). (4 points)

    Backward: a rank's rows receive the SUM over all ranks of the gradients that arrive at them there.
    Without a process group, the rows themselves. Self-check: with one rank the gradient of `.sum()` is 1.
    """
    raise NotImplementedError("lab04, all_gather_with_grad: see section 2 of the handout")


def train_step_ddp(model: nn.Module, optimizer: Optimizer, images: Tensor, labels: Tensor) -> float | Tensor:
    """Take the step that one process would take with all ranks' images in one batch. (5 points)

    images: (B, ...), labels: (B,) of this rank; B may differ from rank to rank. The loss is cross-entropy,
    its mean over all images of all ranks is returned on every rank. All ranks start from equal weights.
    Works without a process group. Self-check: after the step, all ranks have the same weights.
    """
    raise NotImplementedError("lab04, train_step_ddp: see section 3 of the handout")


def speedup_table(seconds: Mapping[int, Sequence[float]], kind: str, batch_size: int) -> list[dict]:
    """Return a row for each number of ranks, fewest first. (3 points)

    seconds: ranks -> seconds of single steps in the order measured; the first is the warm-up and does not
    count. kind: "strong" (batch_size images per step over all ranks) or "weak" (batch_size per rank).
    A row: {"ranks", "step_s" (median), "images_per_second" (of all ranks), "speedup", "efficiency"}.
    Raises ValueError for another kind, and where one rank was not measured.
    Self-check: the row of one rank has speed-up 1 and efficiency 1.
    """
    raise NotImplementedError("lab04, speedup_table: see section 4 of the handout")


def predict_step_time(
    *,
    forward_s: float,
    backward_s: float,
    optimizer_s: float,
    buckets: Sequence[int],
    world_size: int,
    alpha_s: float,
    beta_bytes_per_s: float,
    first_bucket_s: float,
    input_s: float = 0.0,
) -> float:
    """Return the seconds of a data-parallel step after the model of the handout's section 5. (3 points)

    buckets: bytes of the gradient's buckets, in the order in which they are sent (at least one).
    first_bucket_s: when, from the start of the backward pass, the first bucket is full.
    Self-check: with world_size=1 it is input_s + forward_s + backward_s + optimizer_s.
    """
    raise NotImplementedError("lab04, predict_step_time: see section 5 of the handout")
