"""Checks of lab05: the student's functions and right ones run the same trajectory from equal seeds.

Nothing is judged by chance: all sizes and numbers are drawn, but both sides compute the same thing, and
tolerances (1e-3 of the largest weight) are far above what rounding does in these few steps.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.checking import Lab, check, expect
from autograder.draw import Draw
from autograder.measure import trajectories as worlds
from autograder.measure.compare import TABLE, TRAJECTORY, all_close, close, parts
from autograder.measure.trajectories import batches_of, plain, recipe_of
from autograder.reference import lab05_training as right
from autograder.student import Student

LAB = Lab(
    title="Training: step, evaluation, loop, probe, resume",
    files=["training.py", "main.py"],
    names=["train_step", "evaluate", "fit", "train_probe", "save_state", "load_state"],
    helpers=worlds.SENT,
)


NAMED = {True: "train", False: "eval"}


def same_weights(got, wanted: dict, names=None) -> bool:
    return all_close(got, wanted, TRAJECTORY, names)


def moved(got, start: dict, names: list[str]) -> bool:
    """Say whether the named tensors are all there and finite, and not all where they started."""
    there = isinstance(got, dict) and all(isinstance(got.get(name), Tensor) for name in names)
    return there and all(bool(got[name].isfinite().all()) for name in names) and not same_weights(got, start, names)


# train_step


def compare_steps(student: Student, recipe, groups, *, clip=None, scale=None, stale=0.0) -> None:
    """Compare weights after the updates, explain a difference by a known mistake, then the losses."""
    given = (recipe, groups, clip, scale, stale)
    losses, weights, end = parts(student.helper.steps(student.train_step, *given), 3)
    wanted_losses, wanted, wanted_end = worlds.alone(worlds.steps, right.train_step, *given)
    if not same_weights(weights, wanted):
        hint = right.diagnose(lambda step: same_weights(weights, worlds.alone(worlds.steps, step, *given)[1]))
        trained = [name for name in wanted if "running" not in name and "num_" not in name]
        if same_weights(weights, wanted, trained):
            hint = hint or ": the weights are right, but BatchNorm's statistics are not"
        expect(False, f"After {len(groups)} updates the weights are not where right weights are{hint}.")
    expect(close(end, wanted_end, TRAJECTORY), f"The scaler's scale is {end}, it should be {wanted_end:g}.")
    for got, true in zip(parts(losses, len(groups)), wanted_losses, strict=True):
        got = plain(got, "The loss returned")
        expect(close(got, true[0], TRAJECTORY), f"The loss returned is {got:.4f}; the images' mean is {true[0]:.4f}.")


@check(1, "train_step: one update of a linear layer from zero", visible=True)
def test_step_from_zero(student, draw):
    """With zero weights all classes are equally likely, so the step is known: lr * mean (onehot - 1/K) x."""
    count, width, classes, lr = draw.integer(5, 9), draw.integer(3, 6), draw.integer(3, 5), draw.real(0.1, 1)
    images, labels = draw.normal(count, width), (classes * draw.uniform(count)).long()
    loss, weight = parts(student.helper.linear_step(student.train_step, images, labels, classes, lr), 2)
    wanted = lr * (F.one_hot(labels, classes) - 1 / classes).T @ images / count
    good = same_weights({"w": weight}, {"w": wanted})
    expect(good, "After one step of SGD the weights are not -lr times the gradient.")
    loss = plain(loss, "The loss returned")
    expect(
        close(loss, math.log(classes), TRAJECTORY), f"The loss of equal logits is log {classes}; yours is {loss:.4f}."
    )


@check(2, "train_step: several updates, from eval mode and with old gradients")
def test_steps(student, draw):
    recipe, count = recipe_of(draw), draw.integer(8, 12)
    groups = [batches_of(draw, recipe, [count]) for _ in range(draw.integer(3, 5))]
    compare_steps(student, recipe, groups)
    compare_steps(student, recipe, groups, stale=draw.real(0.5, 1.5))


@check(2, "train_step: accumulation over batches of different sizes")
def test_steps_accumulate(student, draw):
    recipe, size = recipe_of(draw), draw.integer(9, 12)
    sizes = [[size, draw.integer(2, 4)], [size] * 3, [draw.integer(2, 4), size, draw.integer(5, 7)]]
    compare_steps(student, recipe, [batches_of(draw, recipe, one) for one in sizes])


@check(1, "train_step: clips the norm of the whole gradient")
def test_steps_clip(student, draw):
    recipe = recipe_of(draw, gain=4.0)
    groups = [batches_of(draw, recipe, [9, draw.integer(3, 5)], 2.0) for _ in range(3)]
    for clip in (draw.real(0.05, 0.2), 1e4):
        compare_steps(student, recipe, groups, clip=clip)


@check(1, "train_step: a loss scaler, with clipping, and a step that overflows")
def test_steps_with_a_scaler(student, draw):
    recipe = recipe_of(draw, gain=8.0)
    groups = [batches_of(draw, recipe, [9, draw.integer(3, 5)], 2.0) for _ in range(3)]
    compare_steps(student, recipe, groups, scale=2.0 ** draw.integer(8, 12))
    compare_steps(student, recipe, groups, scale=2.0 ** draw.integer(8, 12), clip=draw.real(0.05, 0.2))
    for _ in range(50):  # until right steps overflow: otherwise nothing is seen
        recipe = recipe_of(draw, gain=8.0)
        groups = [batches_of(draw, recipe, [9, draw.integer(3, 5)], 2.0) for _ in range(3)]
        if worlds.alone(worlds.steps, right.train_step, recipe, groups, 0.1, 2.0**127, 0.0)[2] < 2.0**100:
            return compare_steps(student, recipe, groups, scale=2.0**127, clip=draw.real(0.05, 0.2))
    raise AssertionError("no step overflows")


@check(1, "train_step: returns the mean loss over the images")
def test_step_returns_its_loss(student, draw):
    recipe = recipe_of(draw, gain=4.0)
    compare_steps(student, recipe, [batches_of(draw, recipe, [12, 3, 2]) for _ in range(2)])


# evaluate


@check(1, "evaluate: a model that always says the same", visible=True)
def test_evaluate_constant(student, draw):
    """Its accuracy is the share of its favourite class, over images and not over batches."""
    classes, sizes = draw.integer(3, 5), [8, 8, draw.integer(1, 3)]
    bias = torch.cat([torch.tensor([2.0]), draw.uniform(classes - 1)])
    batches = [
        (draw.normal(n, 4), (classes * draw.uniform(n)).long() if n == 8 else torch.zeros(n).long()) for n in sizes
    ]
    labels = torch.cat([y for _, y in batches])
    loss, accuracy = parts(student.helper.constant_evaluated(student.evaluate, bias, batches), 2)
    wanted = float(F.cross_entropy(bias.expand(len(labels), -1), labels))
    judge(loss, accuracy, (wanted, float((labels == 0).double().mean())))


def judge(loss, accuracy, wanted: tuple[float, float]) -> None:
    loss, accuracy = plain(loss, "The loss"), plain(accuracy, "The accuracy")
    expect(
        close(loss, wanted[0], TRAJECTORY), f"The mean loss over all images is {wanted[0]:.4f}; yours is {loss:.4f}."
    )
    expect(close(accuracy, wanted[1], TRAJECTORY), f"{wanted[1]:.2%} of all images are recognized, not {accuracy:.2%}.")


def evaluated(student: Student, draw: Draw, *, train: bool):
    recipe = recipe_of(draw, dropout=0.5, gain=3.0)
    batches = batches_of(draw, recipe, [11, 11, draw.integer(2, 4)])
    answer = parts(student.helper.evaluated(student.evaluate, recipe, batches, train), 7)
    wanted = worlds.alone(worlds.evaluated, right.evaluate, recipe, batches, train)
    judge(*answer[:2], (wanted[0][0], wanted[1][0]))
    return answer[2:]


@check(1, "evaluate: eval mode, all images alike")
def test_evaluate_values(student, draw):
    for train in (True, False):
        evaluated(student, draw, train=train)


@check(1, "evaluate: leaves the model as it was")
def test_evaluate_leaves_no_trace(student, draw):
    for train in (True, False):
        mode, before, after, grads, others = evaluated(student, draw, train=train)
        expect(mode is train, f"The model came in {NAMED[train]} mode and leaves in the other.")
        expect(isinstance(before, dict) and same_weights(after, before), "evaluate changes weights or buffers.")
        ones = [isinstance(g, Tensor) and bool((g == 1).all()) for g in parts(grads, 6)]
        expect(all(ones), "evaluate changes the parameters' gradients.")
        thawed, drawn, off = parts(others, 3)
        expect(off is False, "evaluate leaves gradients switched off for all that follows: use `with torch.no_grad()`.")
        expect(thawed is False, "evaluate changes which parameters are frozen (requires_grad).")
        expect(drawn is False, "evaluate draws random numbers or sets a seed: training goes on differently.")


# fit


@check(1, "fit: one update in one epoch", visible=True)
def test_fit_once(student, draw):
    """The first loss is known: that of the model before its first update, in train mode."""
    recipe = recipe_of(draw)
    batch = batches_of(draw, recipe, [draw.integer(8, 12)])
    given = (recipe, [batch], batch, 1, [1.0, draw.real(0.2, 0.6)])
    rows, weights, rate = parts(student.helper.fitted(student.fit, *given), 3)
    model = worlds.alone(worlds.net, *recipe).train()
    loss, before = F.cross_entropy(model(batch[0][0]), batch[0][1]).item(), worlds.snapshot(model)
    expect(isinstance(rows, list) and len(rows) == 1, "One epoch gives one row.")
    got = plain(parts(rows[0], 3)[0], "train_loss")
    expect(close(got, loss, TRAJECTORY), f"The train_loss of one update is {loss:.4f}; yours is {got:.4f}.")
    expect(moved(weights, before, ["0.weight"]), "The weights have not moved.")
    expect(close(rate, 0.3 * given[-1][1], TABLE), "After one update the scheduler has not counted one.")


def schooling(draw: Draw, *, val: bool):
    """Return the arguments of `trajectories.fitted`: ragged epochs with a rest, a schedule that jumps; the last
    epoch is not the best in validation, so that right weights are those of the last.
    """
    for _ in range(200):
        recipe, accumulate = recipe_of(draw, gain=2.0), draw.integer(2, 3)
        sizes = [10] * (2 * accumulate) + [draw.integer(3, 5)]
        epochs = [batches_of(draw, recipe, sizes) for _ in range(draw.integer(2, 3))]
        factors = [draw.real(0.1, 1.0) for _ in range(12)]
        given = recipe, epochs, batches_of(draw, recipe, [9, 3]) if val else None, accumulate, factors
        *rows, last = worlds.alone(worlds.fitted, right.fit, *given)[0]
        if not val or (min(row[1] for row in rows) < last[1] and max(row[2] for row in rows) > last[2]):
            return given
    raise AssertionError("the last epoch is always the best")


@check(2, "fit: the weights after epochs with schedule, rest and validation")
def test_fit_trajectory(student, draw):
    for val in (False, True):
        given = schooling(draw, val=val)
        _, weights, rate = parts(student.helper.fitted(student.fit, *given), 3)
        _, wanted, wanted_rate = worlds.alone(worlds.fitted, right.fit, *given)
        about = f"{len(given[1])} epochs of {len(given[1][0])} batches, {given[3]} for an update"
        about += ", with validation" if val else ""
        expect(
            close(rate, wanted_rate, TABLE),
            f"After {about}, the learning rate is not the schedule's: step it once per update.",
        )
        expect(same_weights(weights, wanted), f"After {about}, the weights are not where right weights are.")


@check(1, "fit: the rows")
def test_fit_rows(student, draw):
    given = schooling(draw, val=True)
    rows = parts(student.helper.fitted(student.fit, *given), 3)[0]
    wanted = worlds.alone(worlds.fitted, right.fit, *given)[0]
    for epoch, (mine, true) in enumerate(zip(parts(rows, len(wanted)), wanted, strict=True)):
        for name, a, b in zip(("train_loss", "val_loss", "val_accuracy"), parts(mine, 3), true, strict=True):
            got = plain(a, name)
            expect(close(got, b[0], TRAJECTORY), f"{name} of epoch {epoch} is {b[0]:.4f}; yours is {got:.4f}.")


# train_probe


def probe(student: Student, draw: Draw, *, train: bool):
    """Return (answer, right answer) of a probe on a backbone in one mode."""
    recipe = recipe_of(draw, dropout=0.3, gain=2.0)
    batches = batches_of(draw, recipe, [10, 10, draw.integer(3, 5)])
    given = (recipe, recipe[3], batches, train)
    answer = parts(student.helper.probed(student.train_probe, *given), 7)
    return answer, worlds.alone(worlds.probed, right.train_probe, *given)


@check(1, "train_probe: trains the head alone", visible=True)
def test_probe_leaves_the_backbone(student, draw):
    """Backbone: weights, BatchNorm's numbers, mode, requires_grad, gradients: all as before. Head: moved."""
    for train in (True, False):
        recipe = recipe_of(draw, dropout=0.3, gain=2.0)
        batches = batches_of(draw, recipe, [10, 10, draw.integer(3, 5)])
        answer = student.helper.probed(student.train_probe, recipe, recipe[3], batches, train)
        _, head, before, after, mode, trainable, grads = parts(answer, 7)
        start = worlds.alone(worlds.probed, lambda *_: 0.0, recipe, recipe[3], batches, train)[1]
        expect(moved(head, start, list(start)), "The head has not changed.")
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            expect(
                same_weights(after, before, [f"1.{name}"]),
                f"BatchNorm's {name} has changed: the backbone belongs in eval mode.",
            )
        expect(same_weights(after, before), "The backbone's weights have changed.")
        expect(mode is train, f"The backbone came in {NAMED[train]} mode and leaves in the other.")
        expect(all(one is True for one in parts(trainable, 6)), "The backbone's parameters are left frozen.")
        clean = all(one is False for one in parts(grads, 6))
        expect(clean, "The backbone's parameters are left with gradients.")


@check(1, "train_probe: the head's weights and the loss")
def test_probe_trajectory(student, draw):
    for train in (True, False):
        got, wanted = probe(student, draw, train=train)
        expect(same_weights(got[1], wanted[1]), "After the probe, the head's weights are not where right ones are.")
        loss, true = plain(got[0], "The loss"), wanted[0][0]
        expect(close(loss, true, TRAJECTORY), f"The mean loss over the images is {true:.4f}; yours is {loss:.4f}.")


# Resume


def resume(student: Student, recipe, before: int, after: int):
    """Save in one process, load in another, as after a real break."""
    content = student.helper.saved(student.save_state, recipe, before)
    expect(isinstance(content, Tensor), "The state could not be written to a file.")
    student.restart()
    return parts(student.helper.resumed(student.load_state, content, recipe, after), 4)


@check(1, "resume: step, weights and learning rate come back", visible=True)
def test_state_comes_back(student, draw):
    """Saved after some steps, trained on, loaded into new objects: all is as it was when it was saved."""
    recipe, before = recipe_of(draw, dropout=0.4), draw.integer(3, 7)
    step, loaded, rate, _ = resume(student, recipe, before, 1)
    wanted = worlds.alone(worlds.saved_at, recipe, before)
    step = plain(step, "The step")
    expect(step == before, f"Saved after step {before}, loaded as step {step:g}.")
    expect(
        same_weights(loaded, wanted),
        "The loaded weights (or buffers) are not those of the time "
        "of saving: missing, or changed by the training that went on.",
    )
    expect(close(rate, 0.05 * 0.9**before, TABLE), "The learning rate is not that of the time of saving.")


@check(2, "resume: as if there had been no break")
def test_resume_is_seamless(student, draw):
    for _ in range(2):
        recipe, before, after = recipe_of(draw, dropout=0.4), draw.integer(3, 7), draw.integer(3, 6)
        got = resume(student, recipe, before, after)
        content = worlds.alone(worlds.saved, right.save_state, recipe, before)
        wanted = worlds.alone(worlds.resumed, right.load_state, content, recipe, after)
        expect(same_weights(got[1], wanted[1]), "The loaded weights are not those of the time of saving.")
        expect(
            same_weights(got[3], wanted[3]),
            "After the break, training goes another way: the optimizer's "
            "moments, the schedule, or a random generator (torch, random, numpy) is not as it was.",
        )
