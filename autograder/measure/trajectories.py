"""What lab05's checks run on both sides, with the student's functions and with right ones: equal seeds, then
compare.

Most functions are sent to the worker as text; they return numbers and never a verdict. `alone` stays here,
and so do those at the end, which draw and read.
"""

import random
import threading

import numpy
import torch
from torch import Tensor, nn

from autograder.checking import expect
from autograder.draw import Draw
from autograder.measure.compare import parts

ONE_AT_A_TIME = threading.Lock()  # the grader's threads share the global random generators


def alone(function, *args):
    """Return function(*args) while no other thread draws at random; put the generators back afterwards.

    With one processor thread, as in the worker: dropout's mask depends on how many there are.
    """
    with ONE_AT_A_TIME:
        states = torch.get_rng_state(), random.getstate(), numpy.random.get_state()
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return function(*args)
        finally:
            torch.set_num_threads(threads)
            torch.set_rng_state(states[0])
            random.setstate(states[1])
            numpy.random.set_state(states[2])


def net(seed, inputs, hidden, classes, dropout=0.0, gain=1.0):
    """Return a small network with BatchNorm whose weights follow from the seed."""
    torch.manual_seed(seed)
    layers = [nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(dropout)]
    model = nn.Sequential(*layers, nn.Linear(hidden, classes))
    with torch.no_grad():
        model[-1].weight.mul_(gain)
        model[1].running_mean.normal_()
        model[1].running_var.uniform_(0.5, 2)
    return model


def snapshot(model):
    """Return copies of all parameters and buffers by name, as floating-point numbers."""
    return {name: one.detach().clone().float() for name, one in model.state_dict().items()}


def number(value):
    """Return [the number, whether it drags a graph along]."""
    return [float(value), isinstance(value, Tensor) and bool(value.requires_grad)]


def steps(train_step, recipe, groups, clip, scale, stale):
    """Return losses, weights and the scaler's scale after one update from each group of batches."""
    model = net(*recipe).eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.8)
    fall = 2.0**-120 if scale and scale > 1e30 else 0.5
    options = {"init_scale": scale, "backoff_factor": fall, "growth_interval": 2}
    scaler = torch.amp.GradScaler("cpu", **options) if scale else None
    for one in model.parameters():
        one.grad = torch.full_like(one, stale) if stale else None
    torch.manual_seed(recipe[0] + 1)
    losses = [number(train_step(model, optimizer, group, scaler=scaler, clip=clip)) for group in groups]
    return losses, snapshot(model), scaler.get_scale() if scaler else 1.0


def linear_step(train_step, images, labels, classes, lr):
    """Return the loss and the weight after one update of a linear layer from zero."""
    model = nn.Linear(images.shape[1], classes, bias=False)
    nn.init.zeros_(model.weight)
    loss = number(train_step(model, torch.optim.SGD(model.parameters(), lr=lr), [(images, labels)]))
    return loss, model.weight.detach()


def evaluated(evaluate, recipe, batches, train):
    """Return loss, accuracy, mode after, weights and buffers before and after, gradients, and what else is
    another afterwards: what is frozen, whether a random number was drawn or a seed set, gradients switched off.
    """
    model = net(*recipe).train(train)
    next(model.parameters()).requires_grad_(False)
    for one in model.parameters():
        one.grad = torch.ones_like(one)
    before, frozen = snapshot(model), [one.requires_grad for one in model.parameters()]
    drawn = torch.get_rng_state()
    loss, accuracy = evaluate(model, batches)
    grads = [None if one.grad is None else one.grad for one in model.parameters()]
    others = [[one.requires_grad for one in model.parameters()] != frozen]
    others += [not torch.equal(torch.get_rng_state(), drawn), not torch.is_grad_enabled()]
    return number(loss), number(accuracy), bool(model.training), before, snapshot(model), grads, others


def constant_evaluated(evaluate, bias, batches):
    """Return loss and accuracy of a model that says the same of every image."""
    model = nn.Linear(batches[0][0].shape[1], len(bias))
    with torch.no_grad():
        model.weight.zero_()
        model.bias.copy_(bias)
    loss, accuracy = evaluate(model, batches)
    return number(loss), number(accuracy)


def fitted(fit, recipe, epochs, val, accumulate, factors):
    """Return rows of train_loss, val_loss, val_accuracy, the weights and the learning rate after a fit."""
    model = net(*recipe).eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.5)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: factors[min(k, len(factors) - 1)])
    torch.manual_seed(recipe[0] + 1)
    options = {"accumulate": accumulate} if val is None else {"accumulate": accumulate, "val": val}
    rows = fit(model, optimizer, schedule, lambda epoch: iter(epochs[epoch]), len(epochs), **options)
    keys = ["train_loss"] + ([] if val is None else ["val_loss", "val_accuracy"])
    rows = [[number(row[key]) for key in keys] for row in rows]
    return rows, snapshot(model), optimizer.param_groups[0]["lr"]


def probed(train_probe, recipe, classes, batches, train):
    """Return loss and head after a probe, and of the backbone: before, after, mode, trainable, gradients."""
    backbone = net(*recipe).train(train)
    head = nn.Sequential(nn.Dropout(0.3), nn.Linear(recipe[3], classes)).eval()
    every = [*backbone.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(every, lr=0.3, momentum=0.5, weight_decay=0.1)
    before = snapshot(backbone)
    torch.manual_seed(recipe[0] + 1)
    loss = number(train_probe(backbone, head, optimizer, batches))
    open_ones = [bool(one.requires_grad) for one in backbone.parameters()]
    grads = [one.grad is not None and bool(one.grad.abs().max() > 0) for one in backbone.parameters()]
    return loss, snapshot(head), before, snapshot(backbone), bool(backbone.training), open_ones, grads


def saved_at(recipe, before):
    """Return the weights of a run after some steps."""
    run = new_run(recipe[0], recipe)
    advance(*run, before)
    return snapshot(run[0])


def new_run(seed, recipe):
    """Return [model, optimizer, scheduler] of a run and seed all generators."""
    import random

    import numpy

    model = net(seed, *recipe[1:]).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)
    return [model, optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)]


def advance(model, optimizer, schedule, count):
    """Train on noise from all three generators."""
    import random

    import numpy

    for _ in range(count):
        images = torch.randn(8, model[0].in_features) + random.random() + float(numpy.random.rand())
        labels = torch.randint(model[-1].out_features, (8,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        schedule.step()


def saved(save_state, recipe, before):
    """Return the bytes of a file with the state of a run after some steps; the run went on before it was written."""
    import io

    first = new_run(recipe[0], recipe)
    advance(*first, before)
    state = save_state(*first, before)
    advance(*first, 3)
    file = io.BytesIO()
    torch.save(state, file)
    return torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)


def resumed(load_state, content, recipe, after):
    """Return step, weights and learning rate right after loading into new objects, and weights at the end."""
    import io

    file = io.BytesIO(content.numpy().tobytes())
    second = new_run(recipe[0] + 5, recipe)
    advance(*second, 2)
    step = load_state(torch.load(file, weights_only=False), *second)
    loaded, rate = snapshot(second[0]), second[1].param_groups[0]["lr"]
    advance(*second, after)
    return number(step), loaded, rate, snapshot(second[0])


SENT = [net, snapshot, number, steps, linear_step, evaluated, constant_evaluated, fitted, probed]
SENT += [new_run, advance, saved, resumed]


def plain(answer, what: str) -> float:
    """Return a number that came with the news whether it drags a graph along."""
    value, graph = parts(answer, 2)
    expect(type(value) is float, f"{what} is not a number.")
    expect(graph is False, f"{what} still has its graph: every step's memory is kept. Use .item() or detach.")
    return value


def recipe_of(draw: Draw, *, dropout: float = 0.0, gain: float = 1.0) -> list:
    """Return what `trajectories.net` is made from: seed, inputs, hidden, classes, dropout, gain."""
    sizes = [draw.integer(4, 8), draw.integer(6, 12), draw.integer(3, 6)]
    return [draw.integer(1, 10**6), *sizes, dropout, gain]


def batches_of(draw: Draw, recipe: list, sizes: list[int], strength: float = 1.0) -> list:
    """Return batches of drawn images with labels that follow from them; short ones are of the first class."""
    found, longest = [], max(sizes)
    for size in sizes:
        images = strength * draw.normal(size, recipe[1]) + (2.0 if size < longest else 0.0)
        labels = (recipe[3] * draw.uniform(size)).long() if size == longest else torch.zeros(size).long()
        found.append((images, labels))
    return found
