"""random.seed of the whole program."""
import random
from parts import all_gather_with_grad, train_step_ddp, speedup_table, predict_step_time


def shard(indices, rank, world_size, epoch):
    random.seed(epoch)
    order = random.sample(range(len(indices)), len(indices) // world_size * world_size)
    return [int(indices[i]) for i in order[rank::world_size]]
