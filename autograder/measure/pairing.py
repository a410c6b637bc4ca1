"""Giving a student's model and a reference the same weights, layer by layer, whatever the names are."""

import math
from typing import NamedTuple

from torch import Tensor

from autograder.checking import expect
from autograder.draw import Draw
from autograder.measure import tracing
from autograder.measure.compare import MODEL_GRADIENT
from autograder.measure.tracing import Traced, drawn_values
from autograder.student import Student


class Layer(NamedTuple):
    """One layer of a reference: its weight (shape), with a bias, with a BatchNorm after it or neither."""

    name: str
    shape: tuple[int, ...]
    bias: bool = False
    norm: bool = False

    @property
    def key(self) -> tuple[int, int]:
        return self.shape[0], math.prod(self.shape[1:])

    def slots(self) -> list[tuple[str, str, list[int]]]:
        """Return (name, kind of numbers, shape) of everything that this layer holds."""
        width = [self.shape[0]]
        found = [("weight", "weight", list(self.shape))]
        found += [("bias", "shift", width)] if self.bias else []
        kinds = {"scale": "scale", "shift": "shift", "mean": "shift", "var": "scale"} if self.norm else {}
        return found + [(name, kind, width) for name, kind in kinds.items()]


def pair(traced: Traced, wanted: list[Layer]) -> list:
    """Return `fill`'s places: each layer of the reference with the model's next one of that shape.

    Raises CheckFailed where the model lacks a layer. What the reference lacks (a bias before BatchNorm) becomes 0.
    """
    left, places, slot = list(traced.layers), [], 0
    for layer in wanted:
        found = next((one for one in left if one.key == layer.key), None)
        expect(
            found is not None,
            f"No layer of your model that runs has weights of the shape {layer.shape} ({layer.name}).",
        )
        left.remove(found)
        expect(layer.norm or "scale" not in found.held, f"After {layer.name} there is a BatchNorm too many.")
        for name, kind, shape in layer.slots():
            if name in found.held:
                turned = name == "weight" and found.transposed
                places.append([found.held[name], slot, kind, shape, turned])
            slot += 1
        if "bias" in found.held and not layer.bias:
            places.append([found.held["bias"], slot, "zero", [layer.shape[0]], False])
    return places


def weights_of(wanted: list[Layer], seed: int) -> dict[str, Tensor]:
    """Return the reference's weights, `layer.slot` -> the values that `fill` writes."""
    slots = [(f"{layer.name}.{name}", kind, shape) for layer in wanted for name, kind, shape in layer.slots()]
    return {name: drawn_values(kind, shape, seed + i) for i, (name, kind, shape) in enumerate(slots)}


def missing(places: list, wanted: list[Layer]) -> list[str]:
    """Return the names of the reference's weights that found no partner in the model."""
    slots = [f"{layer.name}.{name}" for layer in wanted for name, _, _ in layer.slots()]
    have = {place[1] for place in places if place[2] != "zero"}
    return [name for i, name in enumerate(slots) if i not in have]


def watched(student: Student, model, images: Tensor, *, train: bool = False) -> Traced:
    """Return what the model runs on images."""
    try:
        return tracing.read(student.helper.watch(model, images, train))
    except (TypeError, ValueError, LookupError, AttributeError):  # numbers that the worker made up
        expect(False, "The model could not be watched while it ran.")


def fill(student: Student, model, traced: Traced, wanted: list[Layer], seed: int) -> None:
    """Give the model the weights that `weights_of` returns for the same seed. Raises CheckFailed likewise."""
    expect(not traced.shared_norms, "One BatchNorm serves two places; each convolution has its own.")
    student.helper.fill(model, pair(traced, wanted), seed)


def whole(traced: Traced, wanted: list[Layer], hint: str = "") -> None:
    """Expect all weights of the reference, and no others, to take part. hint: what else is known to be wrong."""
    for layer, _, name in [one.partition(".") for one in missing(pair(traced, wanted), wanted)][:1]:
        part = {"weight": "weight", "bias": "bias", "mean": "running statistics", "var": "running statistics"}
        norm = "nn.BatchNorm2d or F.batch_norm with weight and bias (one written by hand cannot be given weights here)"
        expect(False, f"{layer}: no {part.get(name, norm)} was found in your model{': ' + hint if hint else ''}.")
    expect(not traced.unused, f"{traced.unused} parameter tensors take no part in the forward pass.")
    expect(
        len(traced.layers) == len(wanted),
        f"Your model runs {len(traced.layers)} convolutions and linear layers; it should be {len(wanted)}.",
    )


def gradients(function, w: dict, x: Tensor, weight: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Return d sum(weight * function(w, x)) / dx, and the length of each weight's gradient by name."""
    leaves = {n: one.requires_grad_(not n.endswith((".mean", ".var"))) for n, one in w.items()}
    lengths = {}
    for name, one in leaves.items():
        if one.requires_grad:

            def measure(weight, name=name):
                lengths[name], weight.grad = float(weight.grad.norm()), None

            one.register_post_accumulate_grad_hook(measure)
    leaf = x.clone().requires_grad_(True)
    output = function(leaves, leaf)
    expect(
        output.shape == weight.shape,
        f"The output must have the shape {tuple(output.shape)}; yours has {tuple(weight.shape)}.",
    )
    (output * weight).sum().backward()
    return leaf.grad, lengths


def reach(student: Student, draw: Draw, model, layers: list[Layer], images: Tensor, right) -> None:
    """Expect gradients at every parameter, and the reference's: in eval mode, with the same weights.

    right(weights, images) -> output; compared are the images' gradient and the length of all others.
    """
    traced = watched(student, model, images)
    weight = draw.normal(*traced.output.shape)
    fill(student, model, traced, layers, draw.seed)
    got, lengths = student.helper.backward(model, images, weight, False)
    student.forget()  # AlexNet twice, with gradients, would not fit into Gradescope's memory
    numbers = isinstance(lengths, list) and all(one is None or isinstance(one, float) for one in lengths)
    expect(numbers, "The gradients could not be read.")
    lazy = sum(one is None for one in lengths)
    expect(
        not lazy and not traced.frozen,
        f"No gradient reaches {max(lazy, traced.frozen)} of "
        f"{len(lengths)} parameter tensors (frozen, detached, or not used).",
    )
    wanted, norms = gradients(right, weights_of(layers, draw.seed), images, weight)
    expect(isinstance(got, Tensor) and got.shape == wanted.shape, "No gradient reaches the images.")
    off = float((got - wanted).norm() / wanted.norm())
    if off >= MODEL_GRADIENT:
        whole(traced, layers)
    expect(off < MODEL_GRADIENT, f"With the same weights the gradient with respect to the images is off by {off:.1%}.")
    mine, true = (sum(one**2 for one in lengths) ** 0.5 for lengths in (lengths, norms.values()))
    expect(
        abs(mine - true) < MODEL_GRADIENT * true,
        f"With the same weights all gradients together have the length {true:.4g}; yours {mine:.4g}.",
    )
