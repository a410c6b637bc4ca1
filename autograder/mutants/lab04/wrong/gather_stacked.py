"""Stacked to (R, B, ...) instead of (R * B, ...)."""
import torch.distributed as dist
from parts import shard, train_step_ddp, speedup_table, predict_step_time, all_gather_with_grad as right


def all_gather_with_grad(rows):
    everyone = right(rows)
    return everyone.unflatten(0, (-1, len(rows))) if dist.is_initialized() else rows
