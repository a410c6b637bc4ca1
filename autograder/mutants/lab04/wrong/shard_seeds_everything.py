"""torch.manual_seed: the whole program is alike on all ranks from there on."""
import torch
from parts import all_gather_with_grad, train_step_ddp, speedup_table, predict_step_time


def shard(indices, rank, world_size, epoch):
    torch.manual_seed(epoch)
    order = torch.randperm(len(indices))[: len(indices) // world_size * world_size]
    return [int(indices[i]) for i in order[rank::world_size]]
