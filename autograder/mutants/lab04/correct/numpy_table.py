"""numpy medians, more columns, and prints."""
import numpy as np
from parts import shard, all_gather_with_grad, train_step_ddp, predict_step_time


def speedup_table(seconds, kind, batch_size):
    print("measured", sorted(seconds))
    if kind not in {"strong", "weak"}:
        raise ValueError(kind)
    if 1 not in seconds:
        raise ValueError("no baseline")
    ranks = np.array(sorted(seconds))
    step_s = np.array([np.median(seconds[n][1:]) for n in ranks])
    images = (batch_size if kind == "strong" else batch_size * ranks) / step_s
    speedup = images / images[0]
    columns = dict(ranks=ranks, step_s=step_s, images_per_second=images, speedup=speedup,
                   efficiency=speedup / ranks, lost=1 - speedup / ranks)
    return [{name: column[i] for name, column in columns.items()} for i in range(len(ranks))]
