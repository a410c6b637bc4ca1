"""The global generator, its state put back afterwards."""
import torch
from parts import all_gather_with_grad, train_step_ddp, speedup_table, predict_step_time


def shard(indices, rank, world_size, epoch):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(epoch)
        order = torch.randperm(len(indices))
    each = len(indices) // world_size
    return [int(indices[i]) for i in order[rank * each : (rank + 1) * each]]
