"""islice instead of a list, more columns in the rows, a progress line."""
import itertools
import sys

from parts import train_step, evaluate, train_probe, save_state, load_state


def fit(model, optimizer, scheduler, batches_of, epochs, *, accumulate=1, val=None):
    history = []
    for epoch in range(epochs):
        seen, stream = [], iter(batches_of(epoch))
        while group := list(itertools.islice(stream, accumulate)):
            n = sum(map(len, (y for _, y in group)))
            seen.append((train_step(model, optimizer, group), n))
            scheduler.step()
        images = sum(n for _, n in seen)
        row = {"epoch": epoch, "train_loss": sum(a * n for a, n in seen) / images, "images": images}
        if val is not None:
            row |= dict(zip(("val_loss", "val_accuracy"), evaluate(model, val)))
        else:
            row |= {"val_loss": None, "val_accuracy": None}
        history.append(row)
        print(row, file=sys.stderr)
    return history
