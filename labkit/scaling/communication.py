"""What a ring all-reduce costs, and how long a data-parallel step therefore takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labkit.run_folder import LabError

FIRST_BUCKET_BYTES, BUCKET_BYTES = 2**20, 25 * 2**20  # DistributedDataParallel's own limits


@dataclass(frozen=True)
class Link:
    """A connection between neighbors of a ring: seconds per message and bytes per second."""

    alpha_s: float
    beta_bytes_per_s: float


def allreduce_time(size_bytes: float, *, world_size: int, link: Link) -> float:
    """Return the seconds of a ring all-reduce: 2(N-1) messages, 2(N-1)/N of the bytes through each rank."""
    hops = 2 * (world_size - 1)
    return hops * link.alpha_s + hops / world_size * size_bytes / link.beta_bytes_per_s


def fit_link(sizes_bytes: Sequence[float], seconds: Sequence[float], *, world_size: int) -> Link:
    """Return the link whose all-reduce times come nearest to the measured ones.

    Least squares of relative errors, because the times span orders of magnitude; no part may be negative.
    Raises LabError for fewer than two sizes or one rank, from which no line can be drawn.
    """
    if world_size < 2 or len(set(sizes_bytes)) < 2:
        raise LabError("A link is fitted to at least two message sizes on at least two ranks; measure more.")
    # relative residuals: alpha * a + (1 / beta) * b - 1, with the columns divided by the measured time
    hops = 2 * (world_size - 1)
    a = hops / np.asarray(seconds, dtype=float)
    b = a / world_size * np.asarray(sizes_bytes, dtype=float)
    alpha, per_byte = np.linalg.lstsq(np.stack([a, b], axis=1), np.ones(len(a)), rcond=None)[0].tolist()
    if alpha < 0:
        alpha, per_byte = 0.0, float(b.sum() / (b @ b))
    elif per_byte <= 0:
        alpha, per_byte = float(a.sum() / (a @ a)), 0.0
    return Link(alpha, 1 / per_byte if per_byte else float("inf"))


def ddp_buckets(parameter_bytes: Sequence[int], *, first=FIRST_BUCKET_BYTES, cap=BUCKET_BYTES) -> list[int]:
    """Return the bytes of each gradient bucket of DistributedDataParallel, in the order they are sent.

    parameter_bytes: sizes in the order of `model.parameters()`; the backward pass fills buckets from the end.
    A bucket is closed by the parameter that reaches its limit.
    """
    buckets: list[int] = []
    filled = 0
    for size in reversed(parameter_bytes):
        filled += size
        if filled >= (cap if buckets else first):
            buckets.append(filled)
            filled = 0
    return buckets + [filled] if filled else buckets


def predict_step_time(
    *,
    forward_s: float,
    backward_s: float,
    optimizer_s: float,
    buckets: Sequence[int],
    world_size: int,
    link: Link,
    input_s: float = 0.0,
    first_bucket_s: float | None = None,
) -> float:
    """Return the seconds of one data-parallel step, from the parts of a one-process step at the local batch.

    T = T_input + T_forward + max(T_backward, T_first_bucket + T_allreduce) + T_last_bucket + T_optimizer. The last
    bucket is full only when the backward pass ends, so its all-reduce is T_last_bucket, and T_allreduce is the sum over
    the buckets before it. `input_s` is loading time that is not hidden. `first_bucket_s`, when the first bucket is
    full, is by default the same share of the backward pass as of the bytes: a rough guess.
    """
    if world_size == 1 or not buckets:
        return input_s + forward_s + backward_s + optimizer_s
    times = [allreduce_time(size, world_size=world_size, link=link) for size in buckets]
    if first_bucket_s is None:
        first_bucket_s = backward_s * buckets[0] / sum(buckets)
    overlapped = max(backward_s, first_bucket_s + sum(times[:-1]))
    return input_s + forward_s + overlapped + times[-1] + optimizer_s
