"""Shuffles the list that it was given."""
import random
from parts import all_gather_with_grad, train_step_ddp, speedup_table, predict_step_time


def shard(indices, rank, world_size, epoch):
    order = random.Random(epoch).sample(range(len(indices)), len(indices))
    indices[:] = [int(indices[i]) for i in order] if isinstance(indices, list) else indices[order].clone()
    return list(indices)[: len(indices) // world_size * world_size][rank::world_size]
