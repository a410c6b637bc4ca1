"""reduction="sum" and one division at the end."""
import torch
import torch.nn.functional as F
from parts import evaluate, fit, train_probe, save_state, load_state


def train_step(model, optimizer, batches, *, scaler=None, clip=None):
    model.train(True)
    model.zero_grad(set_to_none=True)
    count = float(sum(images.shape[0] for images, _ in batches))
    losses = []
    for images, labels in batches:
        losses.append(F.nll_loss(model(images).log_softmax(-1), labels, reduction="sum"))
        share = losses[-1] / count
        if scaler is not None:
            share = scaler.scale(share)
        share.backward()
    if scaler is not None:
        scaler.unscale_(optimizer)
    if clip is not None:
        norm = torch.sqrt(sum((p.grad**2).sum() for p in model.parameters()))
        for one in model.parameters():
            one.grad *= torch.clamp(clip / (norm + 1e-6), max=1.0)
    scaler.step(optimizer) if scaler is not None else optimizer.step()
    if scaler is not None:
        scaler.update()
    return torch.stack([one.detach() for one in losses]).sum() / count
