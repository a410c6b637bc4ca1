"""torch.distributed.nn does the gathering."""
import torch
import torch.distributed as dist
from torch.distributed.nn.functional import all_gather
from parts import shard, train_step_ddp, speedup_table, predict_step_time


def all_gather_with_grad(rows):
    if not (dist.is_available() and dist.is_initialized()):
        return rows
    return torch.cat(all_gather(rows.contiguous()), dim=0)
