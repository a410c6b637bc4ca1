"""Gradients are never averaged: ranks drift apart."""
import torch
import torch.distributed as dist
import torch.nn.functional as F
from parts import shard, all_gather_with_grad, speedup_table, predict_step_time, add


def train_step_ddp(model, optimizer, images, labels):
    optimizer.zero_grad()
    total = add(torch.tensor(len(images)))
    loss = F.cross_entropy(model(images), labels, reduction="sum") / total
    loss.backward()
    for one in model.parameters():
        if one.grad is not None:
            pass
    optimizer.step()
    return add(loss.detach().clone())
