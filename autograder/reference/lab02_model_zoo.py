"""Right answers of lab02 as formulas of given weights, and what known mistakes compute instead."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.measure.pairing import Layer

WIDTHS = (64, 64, 128, 256, 512)


# AlexNet


def alexnet_layers(num_classes: int) -> list[Layer]:
    """Return AlexNet's eight layers in the order in which they run."""
    widths, kernels = (3, 64, 192, 384, 256, 256), (11, 5, 3, 3, 3)
    found = [
        Layer(f"convolution {i + 1}", (o, c, k, k), bias=True)
        for i, ((c, o), k) in enumerate(zip(pairwise(widths), kernels, strict=True))
    ]
    sizes = pairwise((256 * 36, 4096, 4096, num_classes))
    return found + [Layer(f"linear layer {i + 1}", (o, n), bias=True) for i, (n, o) in enumerate(sizes)]


def alexnet(w: dict, x: Tensor, *, no_relu=(), pool=F.max_pool2d, to_6=F.adaptive_avg_pool2d, last=None):
    """images (B, 3, S, S) -> logits (B, K) in eval mode. no_relu: layers (1 to 7) left without their ReLU."""

    def layer(x, number, step, name, **how):
        x = step(x, w[f"{name}.weight"], w[f"{name}.bias"], **how)
        return x if number in no_relu else F.relu(x)

    hows = [{"stride": 4, "padding": 2}, {"padding": 2}, *[{"padding": 1}] * 3]
    for i, how in enumerate(hows, 1):
        x = layer(x, i, F.conv2d, f"convolution {i}", **how)
        x = pool(x, 3, 2) if i in (1, 2, 5) else x
    x = to_6(x, 6).flatten(1)  # (B, 9216)
    for i in (1, 2):
        x = layer(x, 5 + i, F.linear, f"linear layer {i}")
    x = F.linear(x, w["linear layer 3.weight"], w["linear layer 3.bias"])
    return x if last is None else last(x)


def _softmax(x: Tensor) -> Tensor:
    return x.softmax(1)


ALEXNET_MISTAKES = {  # options of `alexnet` -> what to tell the student
    **{
        f"no ReLU after convolution {k}": ({"no_relu": (k,)}, f"the ReLU after convolution {k} is missing")
        for k in range(1, 6)
    },
    "no ReLU after linear layer 1": ({"no_relu": (6,)}, "the ReLU after the first linear layer is missing"),
    "no ReLU after linear layer 2": ({"no_relu": (7,)}, "the ReLU after the second linear layer is missing"),
    "no ReLU between linear layers": ({"no_relu": (6, 7)}, "the ReLUs between the linear layers are missing"),
    "no ReLU after convolutions": ({"no_relu": (1, 2, 3, 4, 5)}, "the ReLUs after the convolutions are missing"),
    "no nonlinearity": ({"no_relu": range(1, 8)}, "there is no ReLU anywhere"),
    "ReLU last": ({"last": F.relu}, "there is an activation after the last layer"),
    "softmax last": ({"last": _softmax}, "there is a softmax at the end; cross entropy applies its own"),
    "log_softmax last": (
        {"last": lambda x: x.log_softmax(1)},
        "there is a log_softmax at the end; cross entropy applies its own",
    ),
    "average pooling": ({"pool": F.avg_pool2d}, "the poolings take the mean where the table says maximum"),
    "adaptive max": ({"to_6": F.adaptive_max_pool2d}, "the last pooling to 6x6 is adaptive *average* pooling"),
    "interpolated": (
        {"to_6": lambda x, n: F.interpolate(x, (n, n))},
        "the last maps are interpolated, not pooled, to 6x6",
    ),
}


# The residual block and ResNet18


def block_layers(in_width: int, width: int, stride: int, name: str = "block") -> list[Layer]:
    """Return a block's layers; the 1x1 shortcut only where the shape changes."""
    found = [
        Layer(f"{name}, convolution 1", (width, in_width, 3, 3), norm=True),
        Layer(f"{name}, convolution 2", (width, width, 3, 3), norm=True),
    ]
    if stride != 1 or in_width != width:
        found.append(Layer(f"{name}, shortcut", (width, in_width, 1, 1), norm=True))
    return found


def _norm(w: dict, name: str, x: Tensor, train: bool) -> Tensor:
    if f"{name}.scale" not in w:
        return x
    mean, var = (None, None) if train else (w[f"{name}.mean"], w[f"{name}.var"])
    return F.batch_norm(x, mean, var, w[f"{name}.scale"], w[f"{name}.shift"], training=train)


def _without(w: dict, name: str) -> dict:
    return {key: one for key, one in w.items() if not (key.startswith(name) and not key.endswith("weight"))}


def block(w: dict, x: Tensor, stride: int, *, name: str = "block", train: bool = False, mistake: str = ""):
    """relu(norm(conv(relu(norm(conv(x))))) + shortcut(x)): (B, in, S, S) -> (B, width, S/stride, ...)."""
    one, two, short = f"{name}, convolution 1", f"{name}, convolution 2", f"{name}, shortcut"
    w = _without(w, {"no norm 1": one, "no norm 2": two, "no norm in shortcut": short}.get(mistake, "-"))
    strides = (1, stride) if mistake == "second strides" else (stride, 1)
    out = _norm(w, one, F.conv2d(x, w[f"{one}.weight"], stride=strides[0], padding=1), train)
    out = out if mistake == "no inner relu" else F.relu(out)
    out = F.conv2d(out, w[f"{two}.weight"], stride=strides[1], padding=1)
    out = _norm(w, one if mistake == "first norm twice" else two, out, train)
    skip = x
    if f"{short}.weight" in w:
        skip = _norm(w, short, F.conv2d(x, w[f"{short}.weight"], stride=stride), train)
    if mistake in ("add after relu", "add after relu, relu again"):
        out = F.relu(out) + skip
        return F.relu(out) if mistake.endswith("again") else out
    skip = F.relu(skip) if mistake == "relu in shortcut" else skip
    out = {
        "no skip": out,
        "skip of relu": out + F.relu(skip),
        "skip subtracted": out - skip,
        "skip doubled": out + 2 * skip,
        "halved": (out + skip) / 2,
    }.get(mistake, out + skip)
    return out if mistake == "no last relu" else F.relu(out)


BLOCK_MISTAKES = {  # `mistake` of block -> what to tell the student
    "no skip": "the input is not added to what the convolutions give",
    "add after relu": "the last ReLU comes after the sum, not before it",
    "add after relu, relu again": "there is a ReLU before the sum; the only one there comes after it",
    "no norm 2": "the second convolution's BatchNorm has no effect",
    "no norm 1": "the first convolution's BatchNorm has no effect",
    "no norm in shortcut": "the shortcut's convolution has no BatchNorm",
    "no inner relu": "the ReLU between the two convolutions is missing",
    "no last relu": "the ReLU after the sum is missing",
    "relu in shortcut": "there is a ReLU on the shortcut",
    "second strides": "the first convolution strides, not the second",
    "first norm twice": "the first BatchNorm is used for both convolutions",
    "skip subtracted": "the input is subtracted, not added",
    "skip doubled": "the input is added twice",
    "halved": "the sum is halved",
}


def stages() -> list[tuple[str, int, int, int]]:
    """Return (name, in width, width, stride) of ResNet18's eight blocks."""
    found = []
    for i, (before, width) in enumerate(pairwise(WIDTHS), 1):
        found.append((f"stage {i}, block 1", before, width, 1 if i == 1 else 2))
        found.append((f"stage {i}, block 2", width, width, 1))
    return found


def resnet18_layers(num_classes: int) -> list[Layer]:
    """Return the 21 layers: 17 convolutions, three shortcuts, one linear layer."""
    found = [Layer("stem", (64, 3, 3, 3), norm=True)]
    for name, before, width, stride in stages():
        found += block_layers(before, width, stride, name)
    return [*found, Layer("linear layer", (num_classes, 512), bias=True)]


def resnet18(w: dict, x: Tensor, *, train: bool = False, mistake: str = "") -> Tensor:
    """images (B, 3, S, S) -> logits (B, K). mistake: one of the block's, in all blocks, or of the whole's."""
    x = F.conv2d(x, w["stem.weight"], padding=1)
    x = x if mistake == "no stem norm" else _norm(w, "stem", x, train)
    x = x if mistake == "no stem relu" else F.relu(x)
    for name, _, _, stride in stages():
        x = block(w, x, stride, name=name, train=train, mistake=mistake)
    x = x.amax((2, 3)) if mistake == "global max" else x.mean((2, 3))  # (B, 512)
    x = F.linear(x, w["linear layer.weight"], w["linear layer.bias"])
    ends = {"relu last": F.relu, "softmax last": _softmax, "log_softmax last": lambda y: y.log_softmax(1)}
    return ends.get(mistake, lambda y: y)(x)


RESNET_MISTAKES = BLOCK_MISTAKES | {
    "no stem norm": "the first convolution's BatchNorm has no effect",
    "no stem relu": "the ReLU after the first BatchNorm is missing",
    "global max": "the last maps are averaged, not maximized",
    "relu last": "there is an activation after the last layer",
    "softmax last": "there is a softmax at the end; cross entropy applies its own",
    "log_softmax last": "there is a log_softmax at the end; cross entropy applies its own",
}


def far(got: Tensor, wanted: Tensor) -> float:
    """Return the largest difference as a part of the largest wanted value."""
    return float((got - wanted).abs().max() / wanted.abs().max().clamp_min(1e-12))


def closest(got: Tensor, formulas: dict, tolerance: float) -> str:
    """Return the sentence of the first mistake that explains the values. formulas: name -> (values, text)."""
    for values, text in formulas.values():
        wanted = values()
        if wanted.shape == got.shape and far(got, wanted) < tolerance:
            return text
    return ""


def diagnose_alexnet(w: dict, x: Tensor, got: Tensor) -> str:
    """Return a hint about AlexNet's output, or nothing; one image is enough to tell."""
    x, got = x[:1], got[:1]
    formulas = {n: (lambda how=how: alexnet(w, x, **how), t) for n, (how, t) in ALEXNET_MISTAKES.items()}
    return closest(got, formulas, 5e-3)


def diagnose_block(w: dict, x: Tensor, got: Tensor, stride: int, train: bool) -> str:
    """Return a hint about a block's output, or nothing."""
    run = lambda n: lambda: block(w, x, stride, train=train, mistake=n)  # noqa: E731
    hint = closest(got, {n: (run(n), t) for n, t in BLOCK_MISTAKES.items()}, 2e-3)
    right = block(w, x, stride, train=not train)
    return hint or ("BatchNorm ignores train and eval mode" if far(got, right) < 2e-3 else "")


def diagnose_resnet(w: dict, x: Tensor, got: Tensor, train: bool) -> str:
    """Return a hint about ResNet18's output, or nothing."""
    run = lambda n: lambda: resnet18(w, x, train=train, mistake=n)  # noqa: E731
    return closest(got, {n: (run(n), t) for n, t in RESNET_MISTAKES.items()}, 5e-3)


def no_gradients(function, *args, **kwargs) -> Tensor:
    with torch.no_grad():
        return function(*args, **kwargs)


# Throughput


def throughput(got: float, batch: int, slow: list, durations: list, launch: float) -> tuple[float, str]:
    """Return the images per second of measured steps after the `slow` ones, and a hint about `got`."""
    steps, work = len(durations), sum(durations) + launch * len(durations)
    known = {
        batch * steps / (launch * steps): "the device was still at work; wait() before you read the clock",
        batch * steps / (work + sum(slow)): "the warm-up's work is still in the queue when the clock starts",
        batch * steps / (work + sum(slow) + launch * len(slow)): "the warm-up's time counts",
        batch * (steps + len(slow)) / (work + sum(slow) + launch * len(slow)): "the warm-up counts",
        batch / work: "each of the measured steps handles a batch",
        steps / work: "that is steps per second",
        work / (batch * steps): "that is seconds per image",
        1000 * batch * steps / work: "a clock in seconds was expected",
    }
    hint = next((text for value, text in known.items() if abs(got / value - 1) < 1e-4), "")
    return batch * steps / work, hint
