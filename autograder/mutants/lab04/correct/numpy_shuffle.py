"""A numpy generator; shares as an array."""
import numpy
from parts import all_gather_with_grad, train_step_ddp, speedup_table, predict_step_time


def shard(indices, rank, world_size, epoch):
    order = numpy.random.default_rng([7, epoch]).permutation(numpy.asarray(indices))
    return order[: len(order) // world_size * world_size].reshape(-1, world_size)[:, rank]
