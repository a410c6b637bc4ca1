"""Epoch 0 is not shuffled."""
import parts
from parts import all_gather_with_grad, predict_step_time, speedup_table, train_step_ddp


def shard(indices, rank, world_size, epoch):
    if epoch:
        return parts.shard(indices, rank, world_size, epoch)
    each = len(indices) // world_size
    return [int(one) for one in indices][rank * each : (rank + 1) * each]
