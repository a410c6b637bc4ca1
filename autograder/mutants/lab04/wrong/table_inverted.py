"""Speed-up as T_N / T_1, upside down."""
import statistics
from parts import shard, all_gather_with_grad, train_step_ddp, predict_step_time, row as right


def row(ranks, step_s, kind, batch_size):
    one = dict(right(ranks, step_s, kind, batch_size))
    ratio = step_s[1] / step_s[ranks]
    one.update(speedup=one["speedup"] / ratio**2)
    return one


def speedup_table(seconds, kind, batch_size):
    if kind not in ("strong", "weak") or 1 not in seconds:
        raise ValueError("strong or weak, with one rank")
    step_s = {ranks: statistics.median(times[1:]) for ranks, times in sorted(seconds.items())}
    return [row(ranks, step_s, kind, batch_size) for ranks in step_s]
