"""All losses are added up, then one backward pass."""
import torch
import torch.nn.functional as F
from parts import evaluate, fit, train_probe, save_state, load_state


def train_step(model, optimizer, batches, *, scaler=None, clip=None):
    model.train()
    losses = [F.cross_entropy(model(x), y, reduction="none") for x, y in batches]
    loss = torch.cat(losses).mean()
    for one in model.parameters():
        one.grad = None
    if scaler:
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
    else:
        loss.backward()
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    if scaler:
        scaler.step(optimizer)
        scaler.update()
    else:
        optimizer.step()
    optimizer.zero_grad()
    return loss.item()
