"""The own rows come first, whatever the rank."""
import torch
import torch.distributed as dist
from parts import shard, train_step_ddp, speedup_table, predict_step_time, all_gather_with_grad as right


def all_gather_with_grad(rows):
    if not dist.is_initialized():
        return rows
    everyone = right(rows)
    start = dist.get_rank() * len(rows)
    return torch.cat([everyone[start : start + len(rows)], everyone[:start], everyone[start + len(rows) :]])
