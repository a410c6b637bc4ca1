"""Ranks: starting and ending the group, sharing indices, and a gather that keeps every rank's gradient."""

import gc
import os
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather

from labkit.run_folder import LabError


def in_group() -> bool:
    """Return whether this process belongs to a running process group."""
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """Return this process's number, 0 without a group."""
    return dist.get_rank() if in_group() else 0


def world_size() -> int:
    """Return the number of processes, 1 without a group."""
    return dist.get_world_size() if in_group() else 1


def is_main() -> bool:
    """Return whether this process is the one that writes records and prints."""
    return rank() == 0


def setup(timeout_s: float = 120.0) -> torch.device:
    """Join the group that torchrun started (NCCL on GPUs, gloo on CPUs) and return this rank's device.

    Outside torchrun nothing is started. Raises LabError when the others have not joined within `timeout_s`; the
    same limit holds for every later collective, so that a lost rank ends a run and does not hang it.
    """
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        if device.index >= torch.cuda.device_count():
            found = f"{torch.cuda.device_count()} GPUs"
            raise LabError(f"Local rank {device.index} finds {found}; start one rank per GPU.")
        torch.cuda.set_device(device)
    if "WORLD_SIZE" not in os.environ or in_group():
        return device
    backend, bound = ("nccl", device) if device.type == "cuda" else ("gloo", None)
    try:
        dist.init_process_group(backend, timeout=timedelta(seconds=timeout_s), device_id=bound)
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise LabError(
            f"Rank {os.environ.get('RANK')} of {os.environ['WORLD_SIZE']} cannot meet the others at {where}"
            f" within {timeout_s:g} s; check that all ranks started and that the host resolves ({error})."
        ) from error
    return device


def cleanup() -> None:
    """Leave the group; harmless without one."""
    if in_group():
        gc.collect()  # a DDP model in a reference cycle keeps gloo's threads until the interpreter ends, which aborts
        dist.destroy_process_group()


def gather_with_grad(rows: Tensor, *, counts: list[int] | None = None) -> Tensor:
    """Return the rows of all ranks, (sum of `counts`, ...), in rank order, differentiable on every rank.

    The backward pass sums the gradients of the local rows over every rank's loss: a loss that averages over the local
    rows against all gathered ones has, after DDP's averaging, exactly the gradient of the one-process batch.
    """
    if world_size() == 1:
        return rows
    counts = counts or gather_values(len(rows))
    padding = rows.new_zeros((max(counts) - len(rows), *rows.shape[1:]))
    blocks = all_gather(torch.cat([rows, padding]))
    return torch.cat([block[:count] for block, count in zip(blocks, counts, strict=True)])


def broadcast_value(value: Any) -> Any:
    """Return rank 0's value on every rank: one decision for all, or one rank's work."""
    box = [value]
    if world_size() > 1:
        dist.broadcast_object_list(box, src=0)
    return box[0]


def gather_values(value: Any) -> list[Any]:
    """Return each rank's value, in rank order."""
    values = [value] * world_size()
    if world_size() > 1:
        dist.all_gather_object(values, value)
    return values
