"""Padded with the first indices, as DistributedSampler does: some images come twice."""
import torch
from parts import all_gather_with_grad, train_step_ddp, speedup_table, predict_step_time


def shard(indices, rank, world_size, epoch):
    generator = torch.Generator().manual_seed(1000 + epoch)
    order = torch.randperm(len(indices), generator=generator)
    order = torch.cat([order, order[: -len(order) % world_size]])
    return [int(indices[i]) for i in order[rank::world_size]]
