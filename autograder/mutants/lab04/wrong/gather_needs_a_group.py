"""Crashes in a single process."""
from parts import shard, train_step_ddp, speedup_table, predict_step_time, Gather


def all_gather_with_grad(rows):
    return Gather.apply(rows.contiguous())
