"""Shares in blocks, and as a tensor."""
import torch
from parts import all_gather_with_grad, train_step_ddp, speedup_table, predict_step_time


def shard(indices, rank, world_size, epoch):
    generator = torch.Generator().manual_seed(epoch * 65537 + 3)
    order = torch.randperm(len(indices), generator=generator)[: len(indices) // world_size * world_size]
    return torch.as_tensor(indices)[order].chunk(world_size)[rank]
