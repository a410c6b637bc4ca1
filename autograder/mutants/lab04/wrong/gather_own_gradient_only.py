"""The gradient of this rank alone: what other ranks say is lost."""
import torch.distributed as dist
from parts import shard, train_step_ddp, speedup_table, predict_step_time, Gather as Right


class Gather(Right):
    @staticmethod
    def backward(ctx, grad):
        return grad[dist.get_rank() * ctx.batch :][: ctx.batch].clone()


def all_gather_with_grad(rows):
    return Gather.apply(rows.contiguous()) if dist.is_initialized() else rows
