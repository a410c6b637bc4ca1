"""The head is trained in eval mode."""
import torch
import torch.nn.functional as F
from parts import train_step, evaluate, fit, save_state, load_state


def train_probe(backbone, head, optimizer, batches):
    was = backbone.training
    backbone.eval()
    head.eval()
    loss = count = 0
    for images, labels in batches:
        with torch.no_grad():
            features = backbone(images)
        value = F.cross_entropy(head(features), labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        loss += value.item() * len(labels)
        count += len(labels)
    backbone.train(was)
    return loss / count
