"""batches_of(0) in every epoch: set_epoch forgotten."""
from parts import train_step, evaluate, train_probe, save_state, load_state


def fit(model, optimizer, scheduler, batches_of, epochs, *, accumulate=1, val=None):
    rows = []
    for epoch in range(epochs):
        loss, count, group = 0.0, 0, []
        batches = list(batches_of(0))
        for number, batch in enumerate(batches, start=1):
            group.append(batch)
            if len(group) == accumulate or number == len(batches):
                images = sum(len(labels) for _, labels in group)
                loss += train_step(model, optimizer, group) * images
                count += images
                scheduler.step()
                group = []
        row = {"train_loss": loss / count}
        if val is not None:
            row["val_loss"], row["val_accuracy"] = evaluate(model, val)
        rows.append(row)
    return rows
