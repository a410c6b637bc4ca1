"""The mean instead of the median."""
import statistics
from parts import shard, all_gather_with_grad, train_step_ddp, predict_step_time, row


def speedup_table(seconds, kind, batch_size):
    if kind not in ("strong", "weak") or 1 not in seconds:
        raise ValueError("strong or weak, with one rank")
    step_s = {ranks: statistics.mean(times[1:]) for ranks, times in sorted(seconds.items())}
    return [row(ranks, step_s, kind, batch_size) for ranks in step_s]
