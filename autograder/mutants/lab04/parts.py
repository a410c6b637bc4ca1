"""Right parts, sent along with every file of wrong/ and correct/, so that each of them shows its one point alone."""

import statistics

import torch
import torch.distributed as dist
import torch.nn.functional as F


def shard(indices, rank, world_size, epoch):
    generator = torch.Generator().manual_seed(1000 + epoch)
    order = torch.randperm(len(indices), generator=generator)[: len(indices) // world_size * world_size]
    return [int(indices[i]) for i in order[rank::world_size]]


class Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows):
        ctx.batch = len(rows)
        everyone = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(everyone, rows)
        return torch.cat(everyone)

    @staticmethod
    def backward(ctx, grad):
        total = grad.contiguous().clone()
        dist.all_reduce(total)
        start = dist.get_rank() * ctx.batch
        return total[start : start + ctx.batch]


def all_gather_with_grad(rows):
    return Gather.apply(rows.contiguous()) if dist.is_initialized() else rows


def add(tensor):
    if dist.is_initialized():
        dist.all_reduce(tensor)
    return tensor


def train_step_ddp(model, optimizer, images, labels):
    optimizer.zero_grad()
    total = add(torch.tensor(len(images)))
    loss = F.cross_entropy(model(images), labels, reduction="sum") / total
    loss.backward()
    for one in model.parameters():
        if one.grad is not None:
            add(one.grad)
    optimizer.step()
    return add(loss.detach().clone())


def speedup_table(seconds, kind, batch_size):
    if kind not in ("strong", "weak") or 1 not in seconds:
        raise ValueError("strong or weak, with one rank")
    step_s = {ranks: statistics.median(times[1:]) for ranks, times in sorted(seconds.items())}
    return [row(ranks, step_s, kind, batch_size) for ranks in step_s]


def row(ranks, step_s, kind, batch_size):
    ratio = step_s[1] / step_s[ranks]
    images = batch_size * (ranks if kind == "weak" else 1)
    speedup = ratio if kind == "strong" else ranks * ratio
    return {"ranks": ranks, "step_s": step_s[ranks], "images_per_second": images / step_s[ranks],
            "speedup": speedup, "efficiency": speedup / ranks}


def predict_step_time(*, forward_s, backward_s, optimizer_s, buckets, world_size, alpha_s, beta_bytes_per_s,
                      first_bucket_s, input_s=0.0):
    hops = 2 * (world_size - 1)
    times = [hops * alpha_s + hops / world_size * size / beta_bytes_per_s for size in buckets]
    alone = input_s + forward_s + optimizer_s
    if world_size == 1:
        return alone + backward_s
    return alone + max(backward_s, first_bucket_s + sum(times[:-1])) + times[-1]
