"""An all_reduce of rows among zeros instead of a gather."""
import torch
import torch.distributed as dist
from parts import shard, train_step_ddp, speedup_table, predict_step_time


class Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, padded):
        padded = padded.clone()
        dist.all_reduce(padded)
        return padded

    @staticmethod
    def backward(ctx, grad):
        grad = torch.clone(grad, memory_format=torch.contiguous_format)
        dist.all_reduce(grad, op=dist.ReduceOp.SUM)
        return grad


def all_gather_with_grad(rows):
    if not dist.is_initialized():
        return rows.clone()
    before, ranks = dist.get_rank(), dist.get_world_size()
    zero = torch.zeros_like(rows, memory_format=torch.contiguous_format)
    return Sum.apply(torch.cat([zero] * before + [rows] + [zero] * (ranks - 1 - before)))
