"""The sum over ranks: R times the gradient."""
import torch.distributed as dist
import torch.nn.functional as F
from parts import shard, all_gather_with_grad, speedup_table, predict_step_time, add


def train_step_ddp(model, optimizer, images, labels):
    ranks = dist.get_world_size() if dist.is_initialized() else 1
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    for one in model.parameters():
        if one.grad is not None:
            add(one.grad)
    optimizer.step()
    return add(loss.detach().clone()) / ranks
