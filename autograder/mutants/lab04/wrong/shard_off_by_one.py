"""Ranks counted from 1."""
import torch
from parts import all_gather_with_grad, train_step_ddp, speedup_table, predict_step_time


def shard(indices, rank, world_size, epoch):
    generator = torch.Generator().manual_seed(1000 + epoch)
    order = torch.randperm(len(indices), generator=generator)[: len(indices) // world_size * world_size]
    return [int(indices[i]) for i in order[rank + 1 :: world_size]]
