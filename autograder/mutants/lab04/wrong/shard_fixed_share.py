"""Shuffles within a share that never changes."""
import torch
from parts import all_gather_with_grad, train_step_ddp, speedup_table, predict_step_time


def shard(indices, rank, world_size, epoch):
    generator = torch.Generator().manual_seed(1000 + epoch)
    order = torch.arange(len(indices))[rank::world_size][: len(indices) // world_size]
    return [int(indices[order[i]]) for i in torch.randperm(len(order), generator=generator)]
