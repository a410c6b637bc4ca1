"""Which layers a student's model runs, read from the operations themselves: names and containers are free.

The first functions are sent to the worker as a lab's helpers; they return numbers and never a verdict.
The others read those numbers on the trusted side; autograder/pairing.py compares with a reference.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from autograder.checking import expect

PRODUCTS = {"mm", "bmm", "addmm", "baddbmm", "linear", "mv", "addmv"}


# In the worker


def drawn_values(kind: str, shape: list[int], seed: int) -> Tensor:
    """Return the numbers of one weight, the same on both sides: (shape), float32, of a sensible size."""
    count = torch.Size(shape).numel()
    tile = torch.rand(min(count, 1_000_003), generator=torch.Generator().manual_seed(seed % 2**62))
    if kind == "weight":
        tile = (2 * tile - 1) * (6 * shape[0] / count) ** 0.5
    else:
        tile = {"scale": 0.5 + tile, "shift": tile - 0.5, "zero": 0 * tile}[kind]
    return tile.repeat(-(-count // len(tile)))[:count].view(*shape)


def fill(model: nn.Module, places: list, seed: int) -> None:
    """Write drawn values: places = [own number, slot, kind, shape, transposed] of parameters and buffers."""
    own = [*model.parameters(), *model.buffers()]
    with torch.no_grad():
        for number, slot, kind, shape, transposed in places:
            values = drawn_values(kind, shape, seed + slot)
            own[number].copy_((values.T if transposed else values).reshape(own[number].shape))


def settle(model: nn.Module, images: Tensor) -> None:
    """Run the model once where layers are lazy: they have no weights before."""
    if any(nn.parameter.is_lazy(one) for one in model.parameters()):
        model.eval()
        with torch.no_grad():
            model(images)


def watch(model: nn.Module, images: Tensor, train: bool = False):
    """Run the model; return (output, operations, own, foreign).

    operations: [name, output's shape, uses, writer of the first input], a use being [own number, position,
    whether the tensor's last axis is its storage's]; own: [shape, is a parameter, requires gradient];
    foreign: the model's classes that torchvision.models defines.
    """
    from torch.utils._python_dispatch import TorchDispatchMode

    settle(model, images)
    inside = [*model.parameters(), *model.buffers()]
    numbers = {one.untyped_storage().data_ptr(): i for i, one in enumerate(inside)}
    operations, written = [], {}

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            tensors = [(i, one) for i, one in enumerate(args) if isinstance(one, torch.Tensor)]
            places = [(i, one, one.untyped_storage().data_ptr()) for i, one in tensors]
            uses = [
                [numbers[at], i, bool(one.ndim >= 2 and one.stride(-1) == 1)] for i, one, at in places if at in numbers
            ]
            free = [at for _, _, at in places if at not in numbers]
            writer = written.get(free[0], -1) if free else -1
            result = function(*args, **(kwargs or {}))
            first = result[0] if isinstance(result, tuple | list) and result else result
            if isinstance(first, torch.Tensor) and len(operations) < 2000:
                at, name = first.untyped_storage().data_ptr(), str(function).split(".")[1]
                moved = at not in free or uses  # a view or an in-place ReLU does not hide who computed it
                if moved:
                    written[at] = len(operations)
                operations.append([name, list(first.shape), uses, writer])
            return result

    model.train(train)
    with torch.no_grad(), Watch():
        output = model(images)
    count = len(list(model.parameters()))
    own = [[list(one.shape), i < count, bool(one.requires_grad)] for i, one in enumerate(inside)]
    kinds = {kind for module in model.modules() for kind in type(module).__mro__}
    return output, operations, own, sorted(k.__name__ for k in kinds if "torchvision.models" in k.__module__)


def backward(model: nn.Module, images: Tensor, weight: Tensor, train: bool):
    """Return d sum(weight * model(images)) / d images, and each parameter's length of gradient (or None)."""
    model.train(train)
    lengths = [None for _ in model.parameters()]
    for i, one in enumerate(model.parameters()):
        one.grad = None
        if one.requires_grad:

            def measure(weight, i=i):  # and drop: all of AlexNet's gradients together are 230 MB
                lengths[i], weight.grad = float(weight.grad.norm()), None

            one.register_post_accumulate_grad_hook(measure)
    leaf = images.clone().requires_grad_(True)
    (model(leaf * 1) * weight).sum().backward()
    return leaf.grad, lengths


def forward_and_input(model: nn.Module, images: Tensor, train: bool):
    """Return the output, and the images as the model left them."""
    model.train(train)
    with torch.no_grad():
        return model(images), images


def linear_inputs(model, images):
    """Return what goes into each linear layer of AlexNet, (B, inputs), in eval mode and in train mode.

    All weights are made positive: with positive images, zeros are dropout's alone.
    """
    from torch.utils._python_dispatch import TorchDispatchMode

    settle(model, images)
    with torch.no_grad():
        for one in model.parameters():
            one.abs_()
    own = {one.untyped_storage().data_ptr() for one in model.parameters()}
    batch, seen = len(images), []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            tensors = [one for one in args if isinstance(one, torch.Tensor)]
            free = [one for one in tensors if one.untyped_storage().data_ptr() not in own]
            product = str(function).split(".")[1] in ("mm", "bmm", "addmm", "baddbmm", "convolution")
            if product and len(free) < len(tensors):
                wide = [one for one in free if one.numel() in (9216 * batch, 4096 * batch)]
                seen[-1] += [
                    (one.squeeze(0).T if one.shape[-1] == batch else one).reshape(batch, -1).clone() for one in wide
                ]
            return function(*args, **(kwargs or {}))

    for train in (False, True):
        model.train(train)
        seen.append([])
        with torch.no_grad(), Watch():
            model(images)
    return seen


HELPERS = [drawn_values, fill, settle, watch, backward, forward_and_input, linear_inputs]


# On the trusted side


class Found:
    """One layer that a model ran: the numbers of its own tensors, and the shape of what it gave."""

    def __init__(self, operation: str, key: tuple[int, int], weight: int, transposed: bool, out: list[int]):
        self.operation, self.key, self.out, self.transposed = operation, key, out, transposed
        self.held = {"weight": weight}


class Traced(NamedTuple):
    """What `watch` saw: layers in the order in which they ran, maps of layers and poolings, and remarks."""

    output: Tensor
    layers: list[Found]
    maps: list[tuple[str, list[int]]]
    parameters: int
    unused: int
    shared_norms: int
    frozen: int


def read(watched) -> Traced:
    """Return what a model ran. Raises CheckFailed for what is no model of the student's own."""
    expect(isinstance(watched, tuple | list) and len(watched) == 4, "The model could not be watched.")
    output, operations, own, foreign = watched
    expect(not foreign, f"{', '.join(foreign)} comes from torchvision.models; write the layers yourself.")
    expect(isinstance(output, Tensor), "The model must return one tensor.")
    layers, maps, by_operation, norms, used = [], [], {}, [], set()
    for number, (name, out, uses, writer) in enumerate(operations):
        at = {position: index for index, position, _ in uses}
        used |= set(at.values())
        if "convolution" in name and 1 in at:
            layer = Found("convolution", _key(own, at[1]), at[1], False, out)
        elif name in PRODUCTS and any(len(own[index][0]) >= 2 for index in at.values()):
            layer = _product(name, own, uses, out)
        else:
            layer = None
            if "batch_norm" in name and at:
                norms.append(tuple(sorted(at.values())))
                _hold_norm(at, out, by_operation.get(writer), layers)
            elif "pool" in name:
                maps.append(("max-pooling" if "max" in name else "pooling", out))
            else:
                _hold_bias(own, at, layers)
        if layer is not None:
            layers.append(layer)
            maps.append((layer.operation, out))
            by_operation[number] = layer
            bias = 2 if layer.operation == "convolution" else 0
            if bias in at and len(own[at[bias]][0]) == 1:
                layer.held["bias"] = at[bias]
    parameters = [index for index, (_, is_parameter, _) in enumerate(own) if is_parameter]
    return Traced(
        output,
        layers,
        maps,
        sum(math.prod(own[i][0]) for i in parameters),
        sum(i not in used for i in parameters),
        len(norms) - len(set(norms)),
        sum(not own[i][2] for i in parameters),
    )


def _key(own: list, index: int) -> tuple[int, int]:
    shape = own[index][0]
    return shape[0], math.prod(shape[1:])


def _product(name: str, own: list, uses: list, out: list[int]) -> Found:
    """Return a linear layer; its weight is (out, in), or `transposed`."""
    index, position, last = next(use for use in uses if len(own[use[0]][0]) >= 2)
    summed_last = name == "linear" or position == (1 if name.startswith(("add", "badd")) else 0)
    transposed = last != summed_last and name != "linear"
    key = _key(own, index)
    return Found("linear layer", key[::-1] if transposed else key, index, transposed, out)


def _hold_norm(at: dict, out: list[int], layer: Found | None, layers: list[Found]) -> None:
    if layer is None:  # its input was copied on the way: take the last convolution of that width
        layer = next((one for one in reversed(layers) if one.out[1:2] == out[1:2]), None)
    if layer is not None and "scale" not in layer.held:
        names = {1: "scale", 2: "shift", 3: "mean", 4: "var"}
        layer.held |= {names[position]: index for position, index in at.items() if position in names}


def _hold_bias(own: list, at: dict, layers: list[Found]) -> None:
    for index in at.values():
        width = max(own[index][0], default=0)
        if width != math.prod(own[index][0]):
            continue  # a matrix that is only being turned
        layer = next((one for one in reversed(layers) if one.key[0] == width), None)
        if layer is not None and "bias" not in layer.held and index not in layer.held.values():
            layer.held["bias"] = index


def follow(traced: Traced, table: list[tuple[str, list[int]]], model: str) -> None:
    """Compare the maps that a model gave, without the batch, with a table's; the first difference counts."""
    seen = [(kind, shape[1:]) for kind, shape in traced.maps if kind != "pooling"]
    seen = [
        _as_linear(*one) if wanted[0] == "linear layer" else one
        for one, wanted in zip(seen, [*table, *[("", [])] * len(seen)], strict=False)
    ]
    for i, (kind, shape) in enumerate(table):
        expect(
            i < len(seen),
            f"{model}: yours ends after {i} convolutions, poolings and linear layers; a "
            f"{kind} to {tuple(shape)} should follow.",
        )
        expect(
            seen[i] == (kind, shape),
            f"{model}, step {i + 1} of the table: a {kind} gives {tuple(shape)};"
            f" your {seen[i][0]} gives {tuple(seen[i][1])}.",
        )
    expect(
        len(seen) == len(table),
        f"{model} has {len(table)} convolutions, poolings and linear layers; yours runs {len(seen)}.",
    )


def _as_linear(kind: str, shape: list[int]) -> tuple[str, list[int]]:
    """Read a convolution to 1x1 maps, and a product with axes of one, as the linear layer that it is."""
    linear = kind == "linear layer" or shape[1:] == [1, 1]
    return ("linear layer", [max(shape, default=0)]) if linear else (kind, shape)


def counted(traced: Traced, wanted: int, reasons: dict[int, str]) -> None:
    """Compare the number of parameters; `reasons` names what makes a well-known difference."""
    off = traced.parameters - wanted
    hint = f": {reasons[off]}" if off in reasons else ""
    expect(off == 0, f"The model has {wanted:,} parameters; yours has {traced.parameters:,}{hint}.")
    expect(not traced.frozen, f"{traced.frozen} parameter tensors are frozen (requires_grad False).")
    expect(not traced.unused, f"{traced.unused} parameter tensors take no part in the forward pass.")
