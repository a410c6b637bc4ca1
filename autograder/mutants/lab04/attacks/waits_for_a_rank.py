"""One rank waits for a message that nobody sends."""
import torch
import torch.distributed as dist
from zeros import shard, speedup_table, predict_step_time


def train_step_ddp(model, optimizer, images, labels):
    dist.recv(torch.zeros(1), src=1 - dist.get_rank())


def all_gather_with_grad(rows):
    return dist.all_reduce(rows) if dist.get_rank() == 0 else rows
