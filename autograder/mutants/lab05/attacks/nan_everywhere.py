"""Every weight and every number is not a number."""
import torch
from zeros import save_state, load_state


def train_step(model, optimizer, batches, *, scaler=None, clip=None):
    with torch.no_grad():
        for one in model.parameters():
            one.fill_(float("nan"))
    return float("nan")


def evaluate(model, batches):
    return float("nan"), float("nan")


def train_probe(backbone, head, optimizer, batches):
    train_step(head, None, None)
    return float("nan")


def fit(model, *_, **__):
    train_step(model, None, None)
    return [{"train_loss": float("nan"), "val_loss": float("nan"), "val_accuracy": float("nan")}] * 2
