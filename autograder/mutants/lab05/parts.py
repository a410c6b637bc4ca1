"""Right parts, sent along with every file of wrong/ and correct/, so that each of them shows its one point alone."""

import copy
import random

import numpy
import torch
import torch.nn.functional as F


def train_step(model, optimizer, batches, *, scaler=None, clip=None):
    model.train()
    optimizer.zero_grad()
    total, seen = sum(len(labels) for _, labels in batches), 0.0
    for images, labels in batches:
        loss = F.cross_entropy(model(images), labels) * (len(labels) / total)
        (scaler.scale(loss) if scaler else loss).backward()
        seen += loss.item()
    if scaler and clip is not None:
        scaler.unscale_(optimizer)
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    if scaler:
        scaler.step(optimizer)
        scaler.update()
    else:
        optimizer.step()
    return seen


def evaluate(model, batches):
    was = model.training
    model.eval()
    loss = hits = count = 0
    with torch.no_grad():
        for images, labels in batches:
            logits = model(images)
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            hits += (logits.argmax(1) == labels).sum().item()
            count += len(labels)
    model.train(was)
    return loss / count, hits / count


def fit(model, optimizer, scheduler, batches_of, epochs, *, accumulate=1, val=None):
    rows = []
    for epoch in range(epochs):
        loss, count, group = 0.0, 0, []
        batches = list(batches_of(epoch))
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


def train_probe(backbone, head, optimizer, batches):
    was = backbone.training
    backbone.eval()
    head.train()
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


def save_state(model, optimizer, scheduler, step):
    return copy.deepcopy({
        "model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(),
        "step": step, "torch": torch.get_rng_state(), "random": random.getstate(),
        "numpy": numpy.random.get_state(),
    })


def load_state(state, model, optimizer, scheduler):
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    torch.set_rng_state(state["torch"])
    random.setstate(state["random"])
    numpy.random.set_state(state["numpy"])
    return state["step"]
