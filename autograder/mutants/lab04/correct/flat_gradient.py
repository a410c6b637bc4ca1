"""One all_reduce for all gradients, weighted by the share of images."""
import torch
import torch.distributed as dist
import torch.nn.functional as F
from parts import shard, all_gather_with_grad, speedup_table, predict_step_time


def train_step_ddp(model, optimizer, images, labels):
    together = dist.is_initialized()
    loss = F.cross_entropy(model(images), labels)
    trained = [one for one in model.parameters() if one.requires_grad]
    grads = torch.autograd.grad(loss, trained)
    count = torch.tensor([float(len(images))])
    flat = torch.cat([g.flatten() * count for g in grads] + [loss.detach().view(1) * count, count])
    if together:
        dist.all_reduce(flat)
    flat = flat / flat[-1]
    for one, part in zip(trained, flat[:-2].split([p.numel() for p in trained])):
        one.grad = part.view_as(one)
    optimizer.step()
    return flat[-2].item()
