"""Right answers of lab05: the loop as it should be, and what known mistakes in a step lead to."""

import copy
import random
from collections.abc import Callable

import numpy
import torch
import torch.nn.functional as F
from torch import nn


def train_step(
    model,
    optimizer,
    batches,
    *,
    scaler=None,
    clip=None,
    zero=True,
    train=True,
    weigh="images",
    unscale=True,
    clipped=True,
):
    """Take one update. The options after `clip` leave out what students forget."""
    model.train(train)
    scaler = scaler or torch.amp.GradScaler("cpu", enabled=False)
    if zero:
        optimizer.zero_grad()
    total, seen = sum(len(labels) for _, labels in batches), 0.0
    for images, labels in batches:
        share = len(labels) / total
        loss = F.cross_entropy(model(images), labels)
        scaler.scale(loss * {"images": share, "batches": 1 / len(batches), "sum": 1}[weigh]).backward()
        seen += share * loss.item()
    if clip is not None and clipped:
        if unscale:
            scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), clip)
    scaler.step(optimizer)
    scaler.update()
    return seen


MISTAKES = {  # the options that make the mistake -> what to tell the student
    "no zero_grad": ({"zero": False}, "gradients from before the step were counted"),
    "eval mode": ({"train": False}, "the step was taken in eval mode"),
    "mean of means": ({"weigh": "batches"}, "a short micro-batch weighs as much as a long one"),
    "sum of means": ({"weigh": "sum"}, "the micro-batches' mean gradients were added up, not averaged"),
    "clipped before unscale": ({"unscale": False}, "the gradient was clipped while it was still scaled"),
    "not clipped": ({"clipped": False}, "the gradient was not clipped"),
}


def diagnose(same: Callable[[Callable], bool]) -> str:
    """Return a hint for the mistake with which `same(train_step)` holds, or an empty text."""
    for options, hint in MISTAKES.values():
        if same(lambda *given, o=options, **named: train_step(*given, **named, **o)):
            return f": it looks as if {hint}"
    return ""


def evaluate(model, batches):
    was = model.training
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(images) for images, _ in batches])
    labels = torch.cat([labels for _, labels in batches])
    model.train(was)
    return F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()


def fit(model, optimizer, scheduler, batches_of, epochs, *, accumulate=1, val=None):
    rows = []
    for epoch in range(epochs):
        batches, loss = list(batches_of(epoch)), 0.0
        for start in range(0, len(batches), accumulate):
            group = batches[start : start + accumulate]
            loss += train_step(model, optimizer, group) * sum(len(labels) for _, labels in group)
            scheduler.step()
        row = {"train_loss": loss / sum(len(labels) for _, labels in batches)}
        if val is not None:
            row["val_loss"], row["val_accuracy"] = evaluate(model, val)
        rows.append(row)
    return rows


def train_probe(backbone, head, optimizer, batches):
    was, loss, count = backbone.training, 0.0, 0
    backbone.eval()
    for images, labels in batches:
        with torch.no_grad():
            features = backbone(images)
        loss += train_step(head, optimizer, [(features, labels)]) * len(labels)
        count += len(labels)
    backbone.train(was)
    return loss / count


def save_state(model, optimizer, scheduler, step):
    parts = [one.state_dict() for one in (model, optimizer, scheduler)]
    draws = torch.get_rng_state(), random.getstate(), numpy.random.get_state()
    return copy.deepcopy({"parts": parts, "draws": draws, "step": step})


def load_state(state, model, optimizer, scheduler):
    for one, values in zip((model, optimizer, scheduler), copy.deepcopy(state["parts"]), strict=True):
        one.load_state_dict(values)
    torch.set_rng_state(state["draws"][0])
    random.setstate(state["draws"][1])
    numpy.random.set_state(state["draws"][2])
    return state["step"]
