"""The median of an even number of steps is the upper of the two in the middle."""
import parts
from parts import all_gather_with_grad, predict_step_time, shard, train_step_ddp


def speedup_table(seconds, kind, batch_size):
    upper = {n: sorted(times[1:])[len(times[1:]) // 2] for n, times in seconds.items()}
    return parts.speedup_table({n: [one] * 4 for n, one in upper.items()}, kind, batch_size)
