"""Averages the weights after a local step instead of the gradients."""
import torch
import torch.distributed as dist
import torch.nn.functional as F
from parts import shard, all_gather_with_grad, speedup_table, predict_step_time, add


def train_step_ddp(model, optimizer, images, labels):
    ranks = dist.get_world_size() if dist.is_initialized() else 1
    total = add(torch.tensor(len(images)))
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), labels, reduction="sum") / total
    loss.backward()
    optimizer.step()
    for one in model.parameters():
        one.data = add(one.data.clone()) / ranks
    return add(loss.detach().clone())
