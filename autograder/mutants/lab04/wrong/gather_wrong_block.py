"""Always the first block of the gradient."""
import torch.distributed as dist
from parts import shard, train_step_ddp, speedup_table, predict_step_time, Gather as Right


class Gather(Right):
    @staticmethod
    def backward(ctx, grad):
        total = grad.contiguous().clone()
        dist.all_reduce(total)
        return total[: ctx.batch]


def all_gather_with_grad(rows):
    return Gather.apply(rows.contiguous()) if dist.is_initialized() else rows
