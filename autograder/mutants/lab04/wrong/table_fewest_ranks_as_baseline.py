"""Takes the fewest ranks for the baseline where one rank was not measured."""
import statistics
from parts import shard, all_gather_with_grad, train_step_ddp, predict_step_time, row


def speedup_table(seconds, kind, batch_size):
    if kind not in ("strong", "weak"):
        raise ValueError("strong or weak")
    step_s = {ranks: statistics.median(times[1:]) for ranks, times in sorted(seconds.items())}
    baseline = {1: step_s[min(step_s)]} | step_s
    return [row(ranks, baseline, kind, batch_size) for ranks in step_s]
