"""Sums into the gradient that it was given, which another branch uses too."""
import torch.distributed as dist
from parts import shard, train_step_ddp, speedup_table, predict_step_time, Gather as Right


class Gather(Right):
    @staticmethod
    def backward(ctx, grad):
        dist.all_reduce(grad)
        return grad[dist.get_rank() * ctx.batch :][: ctx.batch].clone()


def all_gather_with_grad(rows):
    return Gather.apply(rows.contiguous()) if dist.is_initialized() else rows
