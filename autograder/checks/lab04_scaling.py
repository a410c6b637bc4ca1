"""Checks of lab04: shards as sets, collectives on two or three real gloo ranks, tables and times by value.

False alarms: 12 of the 59 gaps of a shuffled shard are alike, or six epochs drop the same index, less than
once in 1e9 gradings.
"""

import itertools
import math

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from autograder.checking import Lab, check, expect
from autograder.draw import Draw
from autograder.measure import ranks as group
from autograder.measure.compare import RANKS, TABLE, TIMES, close, parts
from autograder.measure.ranks import network, numbers, setting
from autograder.reference import lab04_scaling as right
from autograder.student import Student

LAB = Lab(
    title="Scaling: shards, collectives, speed-up, prediction",
    files=["scaling.py", "main.py"],
    names=["shard", "all_gather_with_grad", "train_step_ddp", "speedup_table", "predict_step_time"],
    helpers=group.SENT,
)


# Shards


def asked(student: Student, indices, world_size: int, epochs: list[int]):
    """Return the three lists of `shards` after what every answer must pass."""
    answers, again, quiet = parts(student.helper.shards(student.shard, indices, world_size, epochs), 3)
    given, each = [int(one) for one in indices], len(indices) // world_size
    for ranks in [*parts(answers, len(epochs)), *parts(again, len(epochs))]:
        sizes = [len(parts(one, len(one), kind=int)) for one in parts(ranks, world_size, kind=list)]
        expect(
            sizes == [each] * world_size,
            f"{len(given)} indices on {world_size} ranks are {each} each; yours have {sizes}.",
        )
        everyone = [one for rank in ranks for one in rank]
        expect(set(everyone) <= set(given), "A shard holds numbers that are not among the indices.")
        expect(len(set(everyone)) == len(everyone), "An index is given out twice; ranks must not overlap.")
    return answers, again, parts(quiet, 2 * len(epochs) * world_size, 2)


@check(1, "shard: equal and disjoint shares of the indices", visible=True)
def test_shards_are_equal_and_disjoint(student, draw):
    """All ranks get n // R of the indices, none twice."""
    for world_size in (2, draw.integer(3, 6)):
        indices = numbers(draw, draw.integer(8, 14) * world_size + world_size - 1)
        asked(student, indices, world_size, [0, 1])
    alone = asked(student, indices, 1, [0])[0][0][0]
    expect(sorted(alone) == indices, "One rank alone gets all the indices.")


@check(2, "shard: other images in every epoch, the same when asked again")
def test_shards_change_with_the_epoch(student, draw):
    world_size = draw.integer(2, 4)
    indices, epochs = numbers(draw, 40 * world_size + world_size - 1), [0, 1, 2, 3, 4, draw.integer(50, 900)]
    answers, again, _ = asked(student, torch.tensor(indices), world_size, epochs)
    expect(answers == again, "The same arguments give another shard the second time; seed the shuffle.")
    first = [tuple(ranks[0]) for ranks in answers]
    expect(len(set(first)) == len(epochs), "Two epochs have the same order; the shuffle must follow `epoch`.")
    expect(
        len({frozenset(one) for one in first}) == len(epochs),
        "Rank 0 gets the same images in every epoch, only in another order.",
    )
    dropped = {frozenset(set(indices).difference(*ranks)) for ranks in answers}
    expect(len(dropped) > 1, "The same indices are left out in every epoch; shuffle before you cut the tail.")


@check(1, "shard: really shuffled")
def test_shards_are_shuffled(student, draw):
    everyone, count = draw.integer(2, 4), 60
    for world_size, epochs in ((everyone, [0, draw.integer(1, 9), draw.integer(10, 99)]), (1, [0, 1])):
        indices = numbers(draw, count * world_size)
        place = {one: i for i, one in enumerate(indices)}
        for one in itertools.chain.from_iterable(asked(student, indices, world_size, epochs)[0]):
            gaps = [place[b] - place[a] for a, b in itertools.pairwise(one)]
            common = max(map(gaps.count, gaps)) / len(gaps)
            expect(
                common < 0.2,
                f"{common:.0%} of a shard's indices follow each other at one distance: that is no shuffle.",
            )


@check(1, "shard: leaves generators and `indices` alone")
def test_shards_have_no_side_effects(student, draw):
    for indices in (numbers(draw, 33), torch.tensor(numbers(draw, 33))):
        quiet = asked(student, indices, 2, [draw.integer(0, 50)])[2]
        expect(
            all(one[0] for one in quiet),
            "shard changes the program's random state: dropout and "
            "augmentation would then be alike on all ranks. Use a generator of its own.",
        )
        expect(all(one[1] for one in quiet), "shard changes the caller's `indices`.")


# Gathering


@check(1, "all_gather_with_grad: one process", visible=True)
def test_gather_alone(student, draw):
    """Without a process group the rows come back, with their gradient."""
    rows = draw.normal(draw.integer(3, 6), draw.integer(2, 5))
    value, grads = parts(student.kit.gradients(student.all_gather_with_grad, rows), 2)
    expect(close(value, rows, RANKS), "Without a process group the result must be the rows themselves.")
    good = close(parts(grads, 1)[0], torch.ones_like(rows), RANKS)
    expect(good, "The gradient of the sum of the gathered rows must be 1.")


@check(1, "all_gather_with_grad: the rows of 2 or 3 ranks, in order")
def test_gather_values(student, draw):
    world_size, cases = draw.integer(2, 3), []
    for shape in [(draw.integer(2, 5), draw.integer(2, 6)), (draw.integer(2, 4), 2, 3)]:
        rows = [draw.normal(*shape) for _ in range(world_size)]
        weights = [draw.normal(world_size * shape[0], *shape[1:]) for _ in rows]
        cases.append((rows, weights, "transposed"))
    cases.append(([draw.normal(3) for _ in range(world_size)], [draw.normal(3 * world_size)] * world_size, "weighted"))
    cases.append(([one.double() for one in cases[0][0]], [one.double() for one in cases[0][1]], "weighted"))
    answers = student.helper.gathered(student.all_gather_with_grad, cases)
    for rank, answer in enumerate(parts(answers, world_size, len(cases))):
        for (value, *_), (rows, *_) in zip(parts(answer, len(cases), 3), cases, strict=True):
            expect(close(value, torch.cat(rows), RANKS), f"Rank {rank} does not get the rows of all ranks in order.")


@check(2, "all_gather_with_grad: gradients from all ranks, summed")
def test_gather_gradients(student, draw):
    world_size, batch, width, cases = draw.integer(2, 3), draw.integer(2, 5), draw.integer(2, 6), []
    for mode in ("weighted", "shared", "sum"):
        rows = [draw.normal(batch, width) for _ in range(world_size)]
        cases.append((rows, [draw.normal(world_size * batch, width) for _ in rows], mode))
    answers = student.helper.gathered(student.all_gather_with_grad, cases)
    wanted = [right.gather_gradients(*case) for case in cases]
    for rank, answer in enumerate(parts(answers, world_size, len(cases))):
        for case, (_, grad, bias) in enumerate(parts(answer, len(cases), 3)):
            true, weights = wanted[case][rank], cases[case][1]
            expect(isinstance(grad, Tensor), f"No gradient reaches the rows of rank {rank}.")
            expect(
                close(grad, true, RANKS),
                f"Rank {rank} of {world_size}: the gradient is not the sum of what all "
                f"ranks' losses say about its rows{right.factor(grad, true)}.",
            )
            expect(
                cases[case][2] != "shared" or close(bias, weights[rank], RANKS),
                "Your backward pass changes the gradient that it is given; another branch of the graph uses it too.",
            )


# The step


def compare(student: Student, draw: Draw, sizes: list[list[int]], *, stale=0.0, frozen=False, momentum=0.9):
    """Compare losses and weights after the steps with those of one process; say which of them differ."""
    widths, values, batches = setting(draw, sizes)
    recipe, ranks = (widths, values, momentum, stale, frozen), len(sizes[0])
    together = [tuple(torch.cat(part) for part in zip(*one, strict=True)) for one in batches]
    losses, weights = right.trajectory(*network(*recipe), together)
    answers = parts(student.helper.steps(student.train_step_ddp, ranks, recipe, batches), ranks, 2)
    about = f"{len(sizes)} steps with {' + '.join(map(str, sizes[0]))} images"
    for rank, (_, got) in enumerate(answers):
        got = parts(got, len(weights))
        alike = all(close(a, b, RANKS) for a, b in zip(got, answers[0][1], strict=True))
        expect(alike, f"After {about} ranks 0 and {rank} differ.")
        expect(
            all(close(a, b, RANKS) for a, b in zip(got, weights, strict=True)),
            f"After {about} the weights of rank {rank} are not those of one process with all images in one batch.",
        )
    for rank, (got, _) in enumerate(answers):
        parts(got, len(losses), kind=float)
        worst = max((abs(a - b), a, b) for a, b in zip(got, losses, strict=True))
        expect(
            worst[0] < 1e-3,
            f"The loss returned on rank {rank} is {worst[1]:.4f}; the mean over all "
            f"images of all ranks is {worst[2]:.4f}.",
        )


@check(1, "train_step_ddp: two ranks, one step from zero weights", visible=True)
def test_step_from_zero(student, draw):
    """With zero weights all classes are equally likely, so the step is known: lr * mean (onehot - 1/K) x."""
    width, classes, each = draw.integer(3, 6), draw.integer(3, 5), draw.integer(4, 8)
    batches = [[(draw.normal(each, width), (classes * draw.uniform(each)).long()) for _ in range(2)]]
    recipe = ([width, classes], [torch.zeros(classes, width), torch.zeros(classes)], 0.0, 0.0, False)
    x, y = (torch.cat(part) for part in zip(*batches[0], strict=True))
    wanted = 0.3 * (one_hot(y, classes) - 1 / classes).T @ x / len(x)
    for losses, weights in parts(student.helper.steps(student.train_step_ddp, 2, recipe, batches), 2, 2):
        parts(losses, 1, kind=float)
        expect(
            close(parts(weights, 2)[0], wanted, RANKS / 10),
            "After one step from zero, the weights are not those of one process with the images of both ranks.",
        )
        expect(
            abs(losses[0] - math.log(classes)) < 1e-4,
            f"The loss of equal logits is log {classes}; yours is {losses[0]:.4f}.",
        )


@check(2, "train_step_ddp: several steps of 2 or 3 ranks are those of one process")
def test_steps_of_equal_batches(student, draw):
    ranks, each = draw.integer(2, 3), draw.integer(3, 6)
    compare(student, draw, [[each] * ranks] * draw.integer(3, 5))


@check(1, "train_step_ddp: ranks with different numbers of images")
def test_steps_of_ragged_batches(student, draw):
    each = draw.integer(6, 9)
    few = draw.integer(1, 2)
    compare(student, draw, [[each, few], [each, each], [few, each]], momentum=0.5)


@check(1, "train_step_ddp: old gradients, frozen layers, one process")
def test_steps_with_old_gradients_and_frozen_layers(student, draw):
    compare(student, draw, [[draw.integer(3, 6)] * 2] * 2, stale=draw.real(1, 3), frozen=True)
    compare(student, draw, [[draw.integer(3, 6)]] * 3, stale=draw.real(1, 3))


# The table


COLUMNS = ("ranks", "step_s", "images_per_second", "speedup", "efficiency")


def same_table(got: list, wanted: list, kind: str) -> None:
    mine = [parts(row, len(COLUMNS), kind=float)[0] for row in parts(got, len(wanted), kind=list)]
    ranks = [row[0] for row in wanted]
    expect(mine == ranks, f"The rows must be those of {ranks} ranks, in this order; yours are of {mine}.")
    for mine, true in zip(got, wanted, strict=True):
        for name, a, b in zip(COLUMNS, mine, true, strict=True):
            expect(
                close(a, b, TABLE, least=0), f"{kind} scaling, {true[0]:g} ranks: {name} is {b:.8g}; yours is {a:.8g}."
            )


@check(1, "speedup_table: an example", visible=True)
def test_table_example(student, draw):
    """One rank takes 4 s a step, two take 2.5 s: strong speed-up 1.6, efficiency 0.8."""
    seconds, batch = {1: [4.0, 4.0, 4.0, 4.0], 2: [2.5, 2.5, 2.5, 2.5]}, draw.integer(16, 64)
    got = student.helper.table(student.speedup_table, seconds, "strong", batch)
    same_table(got, [[1, 4.0, batch / 4, 1.0, 1.0], [2, 2.5, batch / 2.5, 1.6, 0.8]], "strong")


@check(1, "speedup_table: strong and weak, medians without the warm-up")
def test_table_values(student, draw):
    for kind in ("strong", "weak"):
        ranks = [4, 1, 8, 2, draw.integer(9, 30)]
        seconds = {n: [20.0] + [draw.real(1, 3) for _ in range(5 + i)] for i, n in enumerate(ranks)}
        seconds[1][draw.integer(1, 5)] *= 30
        batch = draw.integer(16, 300)
        got = student.helper.table(student.speedup_table, seconds, kind, batch)
        same_table(got, right.speedup_table(seconds, kind, batch), kind)


@check(1, "speedup_table: refuses what has no answer")
def test_table_refuses(student, draw):
    seconds = {n: [5.0, draw.real(1, 2), draw.real(1, 2)] for n in (2, 4)}
    for times, kind, why in (
        (seconds, "weak", "one rank was not measured"),
        (seconds, "strong", "one rank was not measured"),
        (seconds | {1: [5.0, 2.0, 3.0]}, "super", 'the kind is "super"'),
    ):
        raised = student.helper.refuses(student.speedup_table, times, kind)
        expect(raised == "ValueError", f"Where {why}, a ValueError must be raised; {raised or 'nothing'} was.")
    got = student.helper.table(student.speedup_table, seconds | {1: [5.0, 2.0, 3.0]}, "weak", 32)
    expect(len(got) == 3, "A table of three numbers of ranks has three rows.")


# The prediction


def times(draw: Draw, *, slow: bool, count: int) -> dict:
    """Return drawn arguments in which communication is hidden by the backward pass, or (slow) is not."""
    sizes = [draw.integer(10**6, 3 * 10**7) for _ in range(count)]
    return {
        "forward_s": draw.real(0.01, 0.05),
        "backward_s": draw.real(0.05, 0.1),
        "buckets": sizes,
        "optimizer_s": draw.real(0.01, 0.02),
        "world_size": draw.integer(2, 9),
        "alpha_s": draw.real(1e-3, 3e-3) if slow else 1e-5,
        "beta_bytes_per_s": draw.real(1e8, 5e8) if slow else draw.real(5e10, 9e10),
        "first_bucket_s": draw.real(0.005, 0.02),
        "input_s": draw.real(0.01, 0.03),
    }


@check(1, "predict_step_time: one rank", visible=True)
def test_prediction_of_one_rank(student, draw):
    """Nothing is sent, so the four parts add up."""
    given = times(draw, slow=True, count=3) | {"world_size": 1}
    wanted = sum(given[name] for name in ("input_s", "forward_s", "backward_s", "optimizer_s"))
    got = student.helper.as_number(student.predict_step_time, given)
    expect(close(got, wanted, TIMES, least=0), f"One rank's parts add up to {wanted:.4f} s; you predict {got} s.")


@check(2, "predict_step_time: hidden and exposed communication")
def test_prediction(student, draw):
    for slow, count in ((False, draw.integer(2, 6)), (True, draw.integer(2, 6)), (True, 1), (False, 1)):
        given = times(draw, slow=slow, count=count)
        if draw.integer(0, 1):
            del given["input_s"]
        wanted = right.predict_step_time(**given)
        got = student.helper.as_number(student.predict_step_time, given)
        expect(
            close(got, wanted, TIMES, least=0),
            f"{given['world_size']} ranks, {count} bucket(s), "
            f"{'slow' if slow else 'fast'} network: the step takes {wanted:.5f} s; you predict {got} s.",
        )
