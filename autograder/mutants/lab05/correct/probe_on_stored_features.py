"""The probe computes all features first, then trains on them; numpy numbers come back."""
import numpy as np
import torch
import torch.nn.functional as F
from parts import train_step, evaluate, fit, save_state, load_state


def train_probe(backbone, head, optimizer, batches):
    was = backbone.training
    with torch.inference_mode(False), torch.no_grad():
        backbone.eval()
        stored = [(backbone(x), y) for x, y in batches]
    backbone.train(was)
    losses = []
    for h, y in stored:
        optimizer.zero_grad(set_to_none=True)
        value = F.cross_entropy(head.train()(h), y)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return np.average(losses, weights=[len(y) for _, y in stored])
