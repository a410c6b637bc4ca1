"""inference_mode, all logits joined, the mode put back by a context."""
import contextlib

import torch
from parts import train_step, fit, train_probe, save_state, load_state


@contextlib.contextmanager
def quiet(model):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def evaluate(model, batches):
    with quiet(model):
        logits, labels = zip(*[(model(x), y) for x, y in batches])
        logits, labels = torch.cat(logits), torch.cat(labels)
        accuracy = torch.mean((torch.argmax(logits, dim=-1) == labels).to(torch.float64))
        return torch.nn.CrossEntropyLoss()(logits, labels), accuracy
