"""Checks of lab02: models by the layers they run, by value and gradient with drawn weights; throughput.

Weights are paired by shape and by the order in which layers run (autograder/pairing.py), so names, containers
and the order of definition are free. Dropout's rate is judged on at least 16,000 numbers: a right model
strays by .05 less than once in 1e30 gradings.
"""

import statistics

import torch
from torch import Tensor

from autograder.checking import Lab, check, expect
from autograder.draw import Draw
from autograder.measure import tracing
from autograder.measure.compare import BLOCK, LOGITS, RESNET, THROUGHPUT, number, tensor
from autograder.measure.fake_device import FakeDevice, timed
from autograder.measure.models import run
from autograder.measure.pairing import fill, reach, watched, weights_of, whole
from autograder.reference import lab02_model_zoo as right
from autograder.student import Student

LAB = Lab(
    title="Model zoo: AlexNet, ResNet18, throughput",
    files=["model_zoo.py", "main.py"],
    names=["AlexNet", "ResNetBlock", "ResNet18", "throughput", "epoch_throughput"],
    helpers=[*tracing.HELPERS, FakeDevice, timed],
)


def logits(student: Student, model, images: Tensor, classes: int) -> None:
    """Expect finite logits (B, K), the same twice, others for other images, each image on its own."""
    first, second = (run(student, model, images, classes) for _ in range(2))
    spread, largest = (first - first.mean(0)).abs().max(), first.abs().max()
    expect(
        (first - second).abs().max() <= 1e-4 * largest,
        "In eval mode the same images give other logits the second time: is dropout always on?",
    )
    expect(spread > 1e-5 * largest, "The logits are the same for different images.")
    alone = run(student, model, images[:1], classes)
    expect(
        (alone - first[:1]).abs().max() < 0.02 * spread + 1e-5 * largest,
        "In eval mode an image's logits must not depend on the other images of the batch.",
    )


# AlexNet


def alexnet_table(size: int, classes: int) -> list[tuple[str, list[int]]]:
    """Return what the handout's table gives at each convolution, max-pooling and linear layer."""
    side, maps = (size - 7) // 4 + 1, []
    for i, width in enumerate((64, 192, 384, 256, 256)):
        maps.append(("convolution", [width, side, side]))
        if i in (0, 1, 4):
            side = (side - 3) // 2 + 1
            maps.append(("max-pooling", [width, side, side]))
    return maps + [("linear layer", [width]) for width in (4096, 4096, classes)]


@check(1, "AlexNet: logits (B, num_classes), each image on its own in eval mode", visible=True)
def test_alexnet_logits(student, draw):
    classes = draw.integer(3, 40)
    logits(student, student.AlexNet.keep(classes), draw.normal(3, 3, 70, 70), classes)


@check(2, "AlexNet: the layer table and the number of parameters", visible=True)
def test_alexnet_table(student, draw):
    classes, size = draw.integer(11, 40), draw.integer(70, 110)
    traced = watched(student, student.AlexNet.keep(classes), draw.normal(2, 3, size, size))
    tracing.follow(traced, alexnet_table(size, classes), f"AlexNet at {size} px")
    reasons = {
        -4096 * 35 * 256: "the first linear layer takes 256 numbers, not 256 * 6 * 6",
        -9344 - classes: "the biases are missing",
    }
    tracing.counted(traced, 57_003_840 + 4097 * classes, reasons)


@check(3, "AlexNet: the same weights give the same logits")
def test_alexnet_values(student, draw):
    classes = draw.integer(5, 30)
    model, layers, seen = student.AlexNet.keep(classes), right.alexnet_layers(classes), []
    for size in (draw.integer(159, 170), 70):  # a last map of 4x4 tells poolings apart, 1x1 does not
        images = draw.normal(2, 3, size, size)
        if not seen:
            traced = watched(student, model, images)
            fill(student, model, traced, layers, draw.seed)
            whole(traced, layers)
        seen.append((size, images, run(student, model, images, classes)))
    student.forget()
    weights = weights_of(layers, draw.seed)
    for size, images, got in seen:
        off = right.far(got, right.no_gradients(right.alexnet, weights, images))
        hint = right.no_gradients(right.diagnose_alexnet, weights, images, got) if off > LOGITS else ""
        expect(
            off < LOGITS,
            f"At {size} px, with the same weights, your logits are off by {off:.2g} of the "
            f"largest{': ' + hint if hint else ''}.",
            keep=0.0 if size != 70 else 0.5,
        )


@check(1, "AlexNet: dropout 0.5 before the first and the second linear layer, in train mode alone")
def test_alexnet_dropout(student, draw):
    seen = student.helper.linear_inputs(student.AlexNet.keep(4), draw.uniform(4, 3, 70, 70) + 0.1)
    shapes = [[list(one.shape) for one in mode] for mode in seen] if isinstance(seen, list) else []
    expect(
        shapes == [[[4, 9216], [4, 4096], [4, 4096]]] * 2,
        "Dropout is judged at the inputs of three linear layers (9216, 4096 and 4096 wide); yours has others.",
    )
    for name, quiet, noisy, rate in zip(("first", "second", "last"), *seen, (0.5, 0.5, 0.0), strict=True):
        calm, share = float((quiet == 0).double().mean()), float((noisy == 0).double().mean())
        expect(
            calm < 0.02, f"In eval mode {calm:.0%} of the {name} linear layer's inputs are zero: dropout must be off."
        )
        expect(
            abs(share - rate) < 0.05,
            f"In train mode dropout sets {share:.0%} of the {name} linear "
            f"layer's inputs to zero; it should be {rate:.0%}.",
        )
        ratio = float(noisy.double().mean() / quiet.double().mean())
        expect(
            0.8 < ratio < 1.25,
            f"Dropout changes the mean of the {name} linear layer's inputs by a "
            f"factor {ratio:.2f}: what stays is multiplied by 1/(1 - p).",
        )
    mixed = (seen[1][0].unflatten(1, (256, 36)) == 0).double().mean(2)
    expect(
        ((mixed > 0) & (mixed < 1)).double().mean() > 0.9,
        "Dropout must drop single numbers, not whole maps, after the pooling to 6x6.",
    )


@check(1, "AlexNet: gradients reach every parameter")
def test_alexnet_gradients(student, draw):
    classes = draw.integer(3, 9)
    model, images = student.AlexNet.keep(classes), draw.normal(2, 3, 70, 70)
    reach(student, draw, model, right.alexnet_layers(classes), images, right.alexnet)


# The residual block


def block_of(student: Student, draw: Draw, kind: int):
    """Return (block, in width, width, stride): nothing changes, more channels, a stride, or both."""
    before, after = draw.integer(4, 9), draw.integer(10, 15)
    shape = [(before, before, 1), (before, after, 1), (before, before, 2), (before, after, 2)][kind]
    return student.ResNetBlock.keep(*shape), *shape


@check(1, "ResNetBlock: (B, in, S, S) -> (B, out, S/stride, S/stride), never below 0", visible=True)
def test_block_shapes(student, draw):
    for kind in range(4):
        block, before, width, stride = block_of(student, draw, kind)
        size = 2 * draw.integer(3, 6)
        out = student.kit.forward(block, draw.normal(3, before, size, size))
        shape = (3, width, size // stride, size // stride)
        tensor(out, shape, f"The output of ResNetBlock({before}, {width}, {stride}) at {size} px")
        expect(out.isfinite().all() and out.min() >= 0, "The block ends in a ReLU; yours gives negative numbers.")
        expect((out - out[:1]).abs().max() > 1e-6, "The block gives the same for different images.")


def compare_blocks(student: Student, draw: Draw, *, train: bool) -> None:
    mode = "train" if train else "eval"
    for kind in range(4):
        block, before, width, stride = block_of(student, draw, kind)
        images, layers = draw.normal(5, before, 9, 9), right.block_layers(before, width, stride)
        traced = watched(student, block, images)
        fill(student, block, traced, layers, draw.seed + kind)
        weights = weights_of(layers, draw.seed + kind)
        got, after = student.helper.forward_and_input(block, images, train)
        true = right.no_gradients(right.block, weights, images, stride, train=train)
        tensor(got, true.shape, f"In {mode} mode the block's output")
        off = right.far(got, true)
        if off > BLOCK:
            hint = right.no_gradients(right.diagnose_block, weights, images, got, stride, train)
            whole(traced, layers, hint)
            expect(
                False,
                f"ResNetBlock({before}, {width}, {stride}) in {mode} mode, with the same weights, "
                f"is off by {off:.2g} of its largest value{': ' + hint if hint else ''}.",
            )
        whole(traced, layers)
        expect(
            torch.equal(after, images),
            "The block changes the tensor that it is given (an operation in place: += or relu_ on x).",
        )


@check(2, "ResNetBlock: the same weights give the same maps in eval mode")
def test_block_values(student, draw):
    compare_blocks(student, draw, train=False)


@check(1, "ResNetBlock: the same weights give the same maps in train mode")
def test_block_in_training(student, draw):
    compare_blocks(student, draw, train=True)


@check(1, "ResNetBlock: gradients reach every parameter, the shortcut's too")
def test_block_gradients(student, draw):
    for kind in range(4):
        block, before, width, stride = block_of(student, draw, kind)
        images, layers = draw.normal(4, before, 9, 9), right.block_layers(before, width, stride)
        reach(student, draw, block, layers, images, lambda w, x, s=stride: right.block(w, x, s))


# ResNet18


def resnet_table(size: int, classes: int) -> list[tuple[str, list[int]]]:
    """Return what the 20 convolutions and the linear layer give; a shortcut's map equals its block's."""
    maps, side = [[64, size, size]], size
    for i, width in enumerate((64, 128, 256, 512)):
        side = side if i == 0 else -(-side // 2)
        maps += [[width, side, side]] * (4 if i == 0 else 5)
    return [*[("convolution", one) for one in maps], ("linear layer", [classes])]


@check(1, "ResNet18: logits, the maps and the number of parameters", visible=True)
def test_resnet_table(student, draw):
    classes, size = draw.integer(11, 40), draw.integer(11, 18)
    model, images = student.ResNet18.keep(classes), draw.normal(2, 3, size, size)
    logits(student, model, images, classes)
    traced = watched(student, model, images)
    tracing.follow(traced, resnet_table(size, classes), f"ResNet18 at {size} px")
    reasons = {
        4800: "the convolutions have biases (BatchNorm's shift makes them idle)",
        -1792: "the shortcuts lack BatchNorm",
        896: "the shortcuts' convolutions have biases",
        64: "the first convolution has a bias",
    }
    tracing.counted(traced, 11_168_832 + 513 * classes, reasons)


@check(2, "ResNet18: the same weights give the same logits, in eval and in train mode")
def test_resnet_values(student, draw):
    classes, size = draw.integer(5, 30), draw.integer(11, 18)
    model, layers = student.ResNet18.keep(classes), right.resnet18_layers(classes)
    images = draw.normal(4, 3, size, size)
    traced = watched(student, model, images)
    fill(student, model, traced, layers, draw.seed)
    weights = weights_of(layers, draw.seed)
    for train in (False, True):  # eval first: a pass in train mode moves the statistics
        got = run(student, model, images, classes, train=train)
        off = right.far(got, right.no_gradients(right.resnet18, weights, images, train=train))
        hint = right.no_gradients(right.diagnose_resnet, weights, images, got, train) if off > RESNET else ""
        if off > RESNET:
            whole(traced, layers, hint)
        expect(
            off < RESNET,
            f"In {'train' if train else 'eval'} mode, with the same weights, your logits are "
            f"off by {off:.2g} of the largest{': ' + hint if hint else ''}.",
            keep=0.5 * train,
        )
    whole(traced, layers)


@check(1, "ResNet18: gradients reach every parameter")
def test_resnet_gradients(student, draw):
    classes, size = draw.integer(3, 9), draw.integer(11, 16)
    images, layers = draw.normal(2, 3, size, size), right.resnet18_layers(classes)
    reach(student, draw, student.ResNet18.keep(classes), layers, images, right.resnet18)


# Throughput


@check(1, "epoch_throughput: images per second of an epoch", visible=True)
def test_epoch_throughput(student, draw):
    for drop_last, even in ((False, 0), (True, 0), (False, 1), (True, 1)):
        batch, steps = draw.integer(3, 40), draw.integer(4, 30)
        images = batch * steps + draw.integer(1, batch - 1)
        seconds = [draw.real(2, 9) + 20 * (i == 0) for i in range(draw.choice((4, 6, 8)) + even)]
        for epochs in (seconds, seconds[1:2]):
            got = number(student.epoch_throughput(epochs, images, batch, drop_last), "The throughput")
            median = statistics.median(epochs[1:] or epochs)
            true = (batch * steps if drop_last else images) / median
            known = {
                batch / median: "that is one batch per epoch: an epoch sees all images",
                images / median: "drop_last leaves the last images out",
                steps / median: "that is steps per second",
                images / statistics.fmean(epochs): "leave the first epoch out, take the others' median",
            }
            hint = next((text for value, text in known.items() if abs(got / value - 1) < 1e-4), "")
            expect(
                abs(got - true) < THROUGHPUT * true,
                f"{images} images, batch {batch}, drop_last {drop_last}, "
                f"median epoch {median:.3f} s: {true:.3f} images per second; yours "
                f"{got:.3f}{'; ' + hint if hint else ''}.",
            )


@check(1, "throughput: equal steps on a device that works behind the clock's back", visible=True)
def test_throughput_of_equal_steps(student, draw):
    batch, warmup, repeats, each = draw.integer(3, 300), 2, draw.integer(4, 9), draw.real(0.01, 0.2)
    got, steps = student.helper.timed(student.throughput, batch, warmup, repeats, [each], 0.001)
    expect(steps == warmup + repeats, f"step() must run warmup + repeats = {warmup + repeats} times, not {steps}.")
    got = number(got, "The throughput")
    expect(
        got < 1.5 * batch / each,
        f"{got:.0f} images per second is more than the device can do "
        f"({batch / each:.0f}): it was still at work. Call wait() before you read the clock.",
    )
    wanted = [batch / each, batch / (each + 0.001)]
    expect(
        0.98 * min(wanted) < got < 1.02 * max(wanted),
        f"{batch} images take {each:.4f} s: {batch / each:.1f} images per second; yours {got:.1f}.",
    )


@check(1, "throughput: slow first steps and what they left in the queue do not count")
def test_throughput_after_warmup(student, draw):
    for warmup in (draw.integer(1, 3), 0):
        batch, repeats, launch = draw.integer(3, 300), draw.integer(3, 7), draw.real(0.001, 0.01)
        slow = [draw.real(1, 5) for _ in range(warmup)]
        durations = slow + [draw.real(0.05, 0.3) for _ in range(repeats)]
        got, _ = student.helper.timed(student.throughput, batch, warmup, repeats, durations, launch)
        true, hint = right.throughput(number(got, "The throughput"), batch, slow, durations[warmup:], launch)
        expect(
            abs(got - true) < THROUGHPUT * true,
            f"After {warmup} slow steps, {repeats} steps of {batch} images "
            f"have a throughput of {true:.3f} images per second; yours is "
            f"{got:.3f}{': ' + hint if hint else ''}.",
        )
