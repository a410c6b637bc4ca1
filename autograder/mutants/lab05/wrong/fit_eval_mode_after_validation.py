"""model.train() once before the loop: from the second epoch on, BatchNorm stands still."""
import torch.nn.functional as F
from parts import train_step, evaluate, train_probe, save_state, load_state


def fit(model, optimizer, scheduler, batches_of, epochs, *, accumulate=1, val=None):
    model.train()
    rows = []
    for epoch in range(epochs):
        batches, seen, count = list(batches_of(epoch)), 0.0, 0
        for start in range(0, len(batches), accumulate):
            group = batches[start : start + accumulate]
            total = sum(len(labels) for _, labels in group)
            optimizer.zero_grad()
            for images, labels in group:
                loss = F.cross_entropy(model(images), labels, reduction="sum") / total
                loss.backward()
                seen += loss.item() * total
            optimizer.step()
            scheduler.step()
            count += total
        row = {"train_loss": seen / count}
        if val is not None:
            row["val_loss"], row["val_accuracy"] = evaluate(model.eval(), val)
        rows.append(row)
    return rows
