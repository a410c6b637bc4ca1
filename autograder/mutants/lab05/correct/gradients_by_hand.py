"""torch.autograd.grad, gradients added up and written by hand."""
import torch
import torch.nn.functional as F
from parts import evaluate, fit, train_probe, save_state, load_state


def train_step(model, optimizer, batches, *, scaler=None, clip=None):
    if not model.training:
        model.train()
    scaler = torch.amp.GradScaler("cpu", enabled=False) if scaler is None else scaler
    trained = [one for one in model.parameters() if one.requires_grad]
    total = sum(len(y) for _, y in batches)
    summed, seen = [torch.zeros_like(one) for one in trained], 0.0
    for x, y in batches:
        loss = F.cross_entropy(model(x), y)
        seen += float(loss) * len(y) / total
        for s, g in zip(summed, torch.autograd.grad(scaler.scale(loss * len(y) / total), trained)):
            s += g
    for one, gradient in zip(trained, summed):
        one.grad = gradient
    scaler.unscale_(optimizer)
    if clip:
        torch.nn.utils.clip_grad_norm_(trained, max_norm=clip, foreach=True)
    scaler.step(optimizer)
    scaler.update()
    return seen
