"""requires_grad off and on again, features of all batches first."""
import torch.nn.functional as F
from parts import train_step, evaluate, fit, save_state, load_state


def train_probe(backbone, head, optimizer, batches):
    mode, was = backbone.training, [one.requires_grad for one in backbone.parameters()]
    backbone.requires_grad_(False).eval()
    batches = [(backbone(x), y) for x, y in batches]
    losses = []
    for features, labels in batches:
        head.train()
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(head(features), labels)
        loss.backward()
        optimizer.step()
        losses += [loss.item()] * len(labels)
    for one, value in zip(backbone.parameters(), was):
        one.requires_grad_(value)
    backbone.train(mode)
    return sum(losses) / len(losses)
