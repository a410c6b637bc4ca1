"""zero_grad between backward and step: nothing is learnt."""
import torch
import torch.nn.functional as F
from parts import evaluate, fit, train_probe, save_state, load_state


def train_step(model, optimizer, batches, *, scaler=None, clip=None):
    model.train()
    total, seen = sum(len(labels) for _, labels in batches), 0.0
    for images, labels in batches:
        loss = F.cross_entropy(model(images), labels) * (len(labels) / total)
        (scaler.scale(loss) if scaler else loss).backward()
        seen += loss.item()
    optimizer.zero_grad()
    if scaler and clip is not None:
        scaler.unscale_(optimizer)
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    if scaler:
        scaler.step(optimizer)
        scaler.update()
    else:
        optimizer.step()
    return seen
