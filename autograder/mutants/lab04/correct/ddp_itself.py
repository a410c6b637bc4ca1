"""DistributedDataParallel, its mean corrected for ragged batches."""
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel
from parts import shard, all_gather_with_grad, speedup_table, predict_step_time


def train_step_ddp(model, optimizer, images, labels):
    optimizer.zero_grad(set_to_none=True)
    ranks, wrapped = 1, model
    if dist.is_initialized():
        ranks = dist.get_world_size()
        wrapped = getattr(model, "wrapped_once", None) or DistributedDataParallel(model)
        model.__dict__["wrapped_once"] = wrapped
    count = torch.tensor(float(len(images)))
    total = count.clone()
    if ranks > 1:
        dist.all_reduce(total)
    loss = F.cross_entropy(wrapped(images), labels) * count / total
    (ranks * loss).backward()
    optimizer.step()
    value = loss.detach().clone()
    if ranks > 1:
        dist.all_reduce(value)
    return value
