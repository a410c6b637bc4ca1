"""Any kind that is not strong is taken for weak."""
from parts import shard, all_gather_with_grad, train_step_ddp, predict_step_time, speedup_table as right


def speedup_table(seconds, kind, batch_size):
    return right(seconds, kind if kind == "strong" else "weak", batch_size)
