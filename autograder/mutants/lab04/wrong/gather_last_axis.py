"""Joined along the last axis."""
import torch
from parts import shard, train_step_ddp, speedup_table, predict_step_time, all_gather_with_grad as right


def all_gather_with_grad(rows):
    return torch.cat(right(rows).split(len(rows)), -1)
