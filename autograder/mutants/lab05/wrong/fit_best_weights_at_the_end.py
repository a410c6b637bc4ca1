"""Ends with the weights of the best epoch in validation."""
import copy

import parts
from parts import evaluate, load_state, save_state, train_probe, train_step


def fit(model, optimizer, scheduler, batches_of, epochs, accumulate=1, val=None):
    best, rows = None, []
    for epoch in range(epochs):
        rows += parts.fit(model, optimizer, scheduler, lambda _, e=epoch: batches_of(e), 1, accumulate=accumulate, val=val)
        if val is not None and (best is None or rows[-1]["val_accuracy"] >= best[0]):
            best = rows[-1]["val_accuracy"], copy.deepcopy(model.state_dict())
    if best:
        model.load_state_dict(best[1])
    return rows
