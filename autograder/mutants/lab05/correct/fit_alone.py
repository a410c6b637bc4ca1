"""One loop without the other functions, gradients added up while batches arrive."""
import torch.nn.functional as F
from parts import train_step, evaluate, train_probe, save_state, load_state


def fit(model, optimizer, scheduler, batches_of, epochs, *, accumulate=1, val=None):
    rows = []
    for epoch in range(epochs):
        model.train()
        optimizer.zero_grad()
        loss_sum, images, waiting = 0.0, 0, 0

        def update():
            for one in model.parameters():
                one.grad /= waiting
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()

        for number, (x, y) in enumerate(batches_of(epoch), start=1):
            loss = F.cross_entropy(model(x), y, reduction="sum")
            loss.backward()
            loss_sum, images, waiting = loss_sum + loss.detach(), images + len(y), waiting + len(y)
            if number % accumulate == 0:
                update()
                waiting = 0
        if waiting:
            update()
        rows.append({"train_loss": loss_sum / images})
        if val:
            rows[-1]["val_loss"], rows[-1]["val_accuracy"] = evaluate(model, val)
    return rows
