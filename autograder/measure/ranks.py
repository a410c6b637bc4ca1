"""What lab04's checks send to the worker: real gloo ranks in processes of their own, and errands on them.

`numbers` and `setting` draw what is sent, on the trusted side.
"""

import itertools

import torch
from torch import Tensor, nn

from autograder.draw import Draw


def on_ranks(work, world_size):
    """Return work(rank) of every rank, each in a process of its own that belongs to one gloo group."""
    import os
    import tempfile
    import traceback
    from datetime import timedelta

    import torch.distributed as dist

    folder = tempfile.mkdtemp(dir=os.getcwd())
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    children = []
    for rank in range(world_size):
        child = os.fork()
        if child == 0:
            try:
                store = dist.FileStore(os.path.join(folder, "store"), world_size)
                group = dict(store=store, rank=rank, world_size=world_size, timeout=timedelta(seconds=6))
                dist.init_process_group("gloo", **group)
                answer = {"value": work(rank)}
                dist.barrier()
            except BaseException as error:
                frames = [f for f in traceback.extract_tb(error.__traceback__) if "scratch" in f.filename]
                place = f" (line {frames[-1].lineno})" if frames else ""
                unwritten = isinstance(error, NotImplementedError)
                text = str(error)[:300] if unwritten else f"{type(error).__name__}{place}: {str(error)[:300]}"
                answer = {"unwritten": unwritten, "text": text}
            torch.save(answer, os.path.join(folder, f"rank{rank}"))
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    paths = [os.path.join(folder, f"rank{rank}") for rank in range(world_size)]
    ended = {"unwritten": False, "text": "its process ended"}
    answers = [torch.load(path, weights_only=True) if os.path.exists(path) else ended for path in paths]
    failed = [(rank, one) for rank, one in enumerate(answers) if "text" in one]
    failed.sort(key=lambda f: "onnection" in f[1]["text"])  # who left first, not who lost the other
    for rank, one in failed:
        if one["unwritten"]:
            raise NotImplementedError(one["text"])
        raise RuntimeError(f"rank {rank}: {one['text']}")
    return [one["value"] for one in answers]


def plain(value):
    """Return a list, array or tensor of integers as a list of ints."""
    return [int(one) for one in (value.tolist() if hasattr(value, "tolist") else value)]


def shards(function, indices, world_size, epochs):
    """Return [epoch][rank] -> indices, those of a second call, and [generators, input] left alone or not."""
    import random

    import numpy

    def states():
        """Return the three generators' states as something that can be compared."""
        numbers = numpy.random.get_state()
        return torch.get_rng_state().tolist(), random.getstate(), numbers[1].tolist(), numbers[2]

    def ask(rank, epoch):
        """Ask once, from a random state that is never the same."""
        torch.rand(1), random.random(), numpy.random.rand()
        given, before = indices.clone() if isinstance(indices, Tensor) else list(indices), states()
        answer = plain(function(given, rank, world_size, epoch))
        quiet.append([states() == before, plain(given) == plain(indices)])
        return answer

    quiet = []
    answers, again = ([[ask(r, e) for r in range(world_size)] for e in epochs] for _ in range(2))
    return answers, again, quiet


def gathered(function, cases):
    """Return [rank][case] -> what was gathered, and the gradients of its rows and of a bias beside them.

    A case: rows of each rank, weights of each rank, and the loss of rank k: "weighted" (w_k * x^2),
    "transposed" (the same for rows that are not contiguous), "shared" (w_k * (x + bias)), "sum" ((k + 1) x).
    """

    def look(rank, rows, weights, mode):
        own = rows[rank].clone().requires_grad_(True)
        bias = torch.zeros_like(weights[rank]).requires_grad_(True)
        beside = bias * 1
        everyone = function(own.mT.contiguous().mT if mode == "transposed" else own * 1)
        value = everyone.detach().clone()
        if mode in ("weighted", "transposed"):
            (everyone**2 * weights[rank]).sum().backward()
        elif mode == "shared":
            ((everyone + beside) * weights[rank]).sum().backward()
        else:
            ((rank + 1) * everyone).sum().backward()
        return value, own.grad, bias.grad

    return on_ranks(lambda rank: [look(rank, *case) for case in cases], len(cases[0][0]))


def network(widths, values, momentum, stale, frozen):
    """Return (model, optimizer): layers with the given weights, old gradients, perhaps a frozen layer."""
    import itertools

    layers = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.Tanh()]
    model = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for one, value in zip(model.parameters(), values, strict=True):
            one.copy_(value)
    if frozen:
        model[0].requires_grad_(False)
    for one in model.parameters():
        one.grad = torch.full_like(one, stale) if stale and one.requires_grad else None
    return model, torch.optim.SGD(model.parameters(), lr=0.3, momentum=momentum)


def steps(function, world_size, recipe, batches):
    """Return of each rank the losses of its steps and its weights after. batches: [step][rank] -> (x, y)."""

    def work(rank):
        model, optimizer = network(*recipe)
        losses = [float(function(model, optimizer, *batch[rank])) for batch in batches]
        return losses, [one.detach() for one in model.parameters()]

    return [work(0)] if world_size == 1 else on_ranks(work, world_size)


def table(function, seconds, kind, batch_size):
    """Return the columns of interest as plain numbers."""
    columns = ("ranks", "step_s", "images_per_second", "speedup", "efficiency")
    return [[float(row[name]) for name in columns] for row in function(seconds, kind, batch_size)]


def refuses(function, seconds, kind):
    """Return the name of what the call raises, or an empty text."""
    try:
        function(seconds, kind, 32)
    except ValueError:
        return "ValueError"
    except NotImplementedError:
        raise
    except Exception as error:
        return type(error).__name__
    return ""


def as_number(function, arguments):
    """Return function(**arguments) as a float."""
    return float(function(**arguments))


SENT = [on_ranks, plain, shards, gathered, network, steps, table, refuses, as_number]


def numbers(draw: Draw, count: int) -> list[int]:
    """Return `count` different numbers in increasing order, no two of them neighbors."""
    start = draw.integer(100, 900)
    return [start + 3 * i for i in range(count)]


def setting(draw: Draw, sizes: list[list[int]]):
    """Return network sizes, weights, and batches [step][rank] of drawn images, `sizes` many on each rank."""
    widths = [draw.integer(4, 8), draw.integer(5, 9), draw.integer(3, 6)]
    values = [
        draw.normal(b, a) / a**0.5 if w else 0.1 * draw.normal(b)
        for a, b in itertools.pairwise(widths)
        for w in (True, False)
    ]
    batches = [
        [(2 * draw.normal(n, widths[0]), (widths[-1] * draw.uniform(n)).long()) for n in ranks] for ranks in sizes
    ]
    return widths, values, batches
