"""Checks of lab01: counts, channel statistics and a grid by value; a stratified split by what it promises.

False alarms: whether each row gets its turn is judged on 60 seeds with at least 2/7 and at most 5/7 of a
class in val: some row is never or always taken with a chance below 1e-7.
"""

import torch
from torch import Tensor

from autograder.checking import Lab, check, expect
from autograder.draw import Draw
from autograder.measure.compare import STATISTICS, tensor
from autograder.reference import lab01_data as right
from autograder.student import Student, named


def splits(function, labels, fraction, seeds):
    """Return the validation part of each seed as a mask (seeds, N), 1 where a row is in it."""
    masks = torch.zeros(len(seeds), len(labels), dtype=torch.uint8)
    for mask, seed in zip(masks, seeds):  # noqa: B905
        mask[torch.as_tensor(function(labels, fraction, seed)[1])] = 1
    return masks


def random_numbers_after(function, labels, fraction, seed):
    """Return what torch's global generator draws after a call, and without one."""
    torch.manual_seed(7)
    plain = torch.rand(4)
    torch.manual_seed(7)
    function(labels, fraction, seed)
    return torch.rand(4), plain


def with_arguments(function, tensor, *others):
    """Return the function's value, and the tensor as the call left it."""
    mine = tensor.clone()
    return function(mine, *others), mine


def split_rows(function, labels, fraction, seed):
    """Return (train, val) with numpy arrays and ranges as lists, and the labels as the call left them."""
    mine = labels.clone()
    answer = function(mine, fraction, seed)
    plain = lambda rows: rows.tolist() if type(rows).__module__ == "numpy" else rows  # noqa: E731
    listed = lambda rows: list(rows) if isinstance(rows, range | tuple) else plain(rows)  # noqa: E731
    return [listed(one) for one in answer] if isinstance(answer, tuple | list) else answer, mine


LAB = Lab(
    title="Data: counts, statistics, a stratified split, a grid",
    files=["data.py", "main.py"],
    names=["class_counts", "channel_mean_std", "stratified_split", "image_grid"],
    helpers=[splits, random_numbers_after, with_arguments, split_rows],
)


# Counts


def counts(student: Student, labels: Tensor, classes: int) -> list[int]:
    got, after = student.helper.with_arguments(student.class_counts, labels, classes)
    tensor(got, (classes,), f"class_counts of {classes} classes, with or without labels,")
    whole = not got.is_floating_point() and got.dtype != torch.bool
    expect(whole, f"Counts are whole numbers (int64); yours are {got.dtype}.", keep=0.5)
    expect(torch.equal(after, labels), "class_counts must leave the labels as they are.")
    return got.tolist()


@check(1, "class_counts: a small example", visible=True)
def test_counts_of_an_example(student, draw):
    classes = draw.permutation(4).tolist()  # which class has 3, 2, 1 and no labels
    labels = torch.tensor([classes[0]] * 3 + [classes[1]] * 2 + [classes[2]])[draw.permutation(6)]
    wanted = [{classes[0]: 3, classes[1]: 2, classes[2]: 1}.get(k, 0) for k in range(4)]
    got = counts(student, labels, 4)
    expect(got == wanted, f"The labels {labels.tolist()} have the counts {wanted}; yours are {got}.")


@check(2, "class_counts: many labels, few labels, missing classes")
def test_counts(student, draw):
    for classes, number in ((draw.integer(5, 9), 700), (draw.integer(20, 40), 15), (draw.integer(3, 6), 0)):
        labels = (draw.uniform(number) ** 2 * (classes - draw.integer(0, 2))).long()
        got, wanted = counts(student, labels, classes), right.class_counts(labels, classes).tolist()
        expect(got == wanted, f"{number} labels of {classes} classes: the counts are {wanted}; yours {got}.")


# Mean and standard deviation


def statistics(student: Student, images: Tensor) -> tuple[Tensor, Tensor]:
    got, after = student.helper.with_arguments(student.channel_mean_std, images)
    pair = isinstance(got, tuple | list) and len(got) == 2 and all(isinstance(one, Tensor) for one in got)
    expect(pair, f"channel_mean_std must return two tensors (mean, std); yours returns {named(got)}.")
    for name, one in zip(("mean", "std"), got, strict=True):
        tensor(one, images.shape[1:2], f"The {name} of {images.shape[1]} channels")
        expect(one.is_floating_point() and one.isfinite().all(), f"The {name} must be finite floats.")
    expect(torch.equal(after, images), "channel_mean_std must leave the images as they are.")
    return got[0].double(), got[1].double()


def bytes_of(draw: Draw, *shape: int) -> Tensor:
    return (256 * draw.uniform(*shape)).to(torch.uint8)


def compare_statistics(student: Student, images: Tensor, what: str) -> None:
    got, wanted = statistics(student, images), right.channel_mean_std(images)
    for name, one, true in zip(("mean", "std"), got, wanted, strict=True):
        if not torch.allclose(one, true, rtol=STATISTICS, atol=1e-7):
            hint = right.diagnose_mean_std(images, *got)
            k = int((one - true).abs().argmax())
            expect(
                False,
                f"{what}: the {name} of channel {k} is {true[k]:.6f}; yours is "
                f"{one[k]:.6f}{': ' + hint if hint else ''}.",
            )


@check(1, "channel_mean_std: black and white images", visible=True)
def test_statistics_of_black_and_white(student, draw):
    """Half of the pixels black, half white: mean 0.5, std 0.5. All gray: std 0."""
    half = torch.tensor([0, 255], dtype=torch.uint8).repeat(2 * 3 * 8 * 4)[draw.permutation(384)]
    images = half.view(4, 1, 12, 8).repeat(1, 3, 1, 1)
    images[:, 1] = level = draw.integer(20, 230)
    mean, std = statistics(student, images)
    wanted = [0.5, level / 255, 0.5], [0.5, 0.0, 0.5]
    for name, got, true in zip(("mean", "std"), (mean, std), wanted, strict=True):
        expect(
            (got - torch.tensor(true)).abs().max() < 1e-4,
            f"The {name} should be "
            f"{[round(one, 4) for one in true]}; yours is {[round(one, 4) for one in got.tolist()]}.",
        )


@check(3, "channel_mean_std: over all pixels of all images, per channel")
def test_statistics(student, draw):
    for channels in (3, 1, draw.integer(4, 6)):
        number, height, width = draw.integer(5, 9), draw.integer(6, 12), draw.integer(13, 20)
        levels = draw.uniform(number, channels, 1, 1)  # images of different brightness
        images = (levels * bytes_of(draw, number, channels, height, width)).to(torch.uint8)
        compare_statistics(student, images, f"Images {tuple(images.shape)}")
    compare_statistics(student, bytes_of(draw, 2, 3, 2, 2), "Two images of 2x2 pixels")
    many = (draw.uniform(131, 1, 1, 1) ** 2 * bytes_of(draw, 131, 3, 4, 5)).to(torch.uint8)  # no batch divides 131
    compare_statistics(student, torch.cat([many, many.new_full((1, 3, 4, 5), 255)]), "132 images")
    dark = (2 * draw.uniform(7, 3, 6, 5)).to(torch.uint8)
    compare_statistics(student, dark, "Images of the bytes 0 and 1")


@check(1, "channel_mean_std: bright, nearly flat images keep their precision")
def test_statistics_of_flat_images(student, draw):
    images = draw.integer(225, 240) + (4 * draw.uniform(16, 3, 48, 40) > 3).to(torch.uint8)
    compare_statistics(student, images.to(torch.uint8), "Nearly flat images")


# The split


def labeled(draw: Draw) -> Tensor:
    """Return shuffled labels of classes of very different sizes."""
    sizes = [draw.integer(5, 8), draw.integer(11, 16), draw.integer(30, 45), draw.integer(60, 90)]
    labels = torch.cat([torch.full((size,), k) for k, size in enumerate(sizes)])
    return labels[draw.permutation(len(labels))]


def split_of(student: Student, labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return (train, val) indices, checked to be indices of all rows, each of them once."""
    got, after = student.helper.split_rows(student.stratified_split, labels, fraction, seed)
    pair = isinstance(got, tuple | list) and len(got) == 2
    expect(pair, f"stratified_split must return (train, val); yours returns {named(got)}.")
    rows_of = lambda one: isinstance(one, list) and all(type(row) is int for row in one)  # noqa: E731
    parts = [torch.tensor(one, dtype=torch.int64) if rows_of(one) else one for one in got]
    for name, one in zip(("train", "val"), parts, strict=True):
        good = isinstance(one, Tensor) and one.ndim == 1 and not one.is_floating_point()
        expect(good and one.dtype != torch.bool, f"{name} must be row numbers: a tensor (M,), a numpy array or a list.")
    rows = torch.cat(parts).long().sort().values
    doubled = len(rows) - len(rows.unique())
    expect(doubled == 0, f"{doubled} rows appear twice: train and val must not share a row.")
    expect(
        torch.equal(rows, torch.arange(len(labels))),
        f"train and val together must hold each of the {len(labels)} rows once; yours hold {len(rows)}.",
    )
    expect(torch.equal(after, labels), "stratified_split must leave the labels as they are.")
    return parts[0].long(), parts[1].long()


def shares(labels: Tensor, val: Tensor, fraction: float) -> None:
    """Expect each class's share of val to be fraction * its size, rounded down or up.

    Rounding the total first may move a share by size / N more, which is fine.
    """
    for k in labels.unique().tolist():
        size, got = int((labels == k).sum()), int((labels[val] == k).sum())
        near = abs(got - fraction * size) < 1 + size / len(labels)
        expect(
            near,
            f"Class {k} has {size} rows: val should take {fraction:.0%} of "
            f"them, {fraction * size:.1f} rounded down or up; yours takes {got}.",
        )


@check(2, "stratified_split: each row once, each class in proportion", visible=True)
def test_split(student, draw):
    for _ in range(3):
        labels, fraction = labeled(draw), draw.choice([0.2, 0.25, 0.4, 0.5])
        _, val = split_of(student, labels, fraction, draw.integer(0, 999))
        shares(labels, val, fraction)


@check(2, "stratified_split: in proportion for sorted labels, gaps in the numbering, other fractions")
def test_split_of_other_labels(student, draw):
    for fraction in (draw.real(0.12, 0.3), draw.real(0.3, 0.5), draw.real(0.6, 0.8)):
        labels = labeled(draw)
        for these in (labels.sort().values, 3 * labels + draw.integer(1, 5)):
            _, val = split_of(student, these, fraction, draw.integer(0, 999))
            shares(these, val, fraction)


@check(2, "stratified_split: the seed decides, and every row gets its turn")
def test_split_is_random(student, draw):
    labels, fraction = labeled(draw), draw.choice([0.4, 0.5, 0.6])
    seeds = [draw.integer(0, 10**6) for _ in range(60)]
    arguments = student.stratified_split, labels, fraction, seeds
    first, again = (student.helper.splits(*arguments) for _ in range(2))
    good = isinstance(first, Tensor) and first.shape == (60, len(labels))
    same = good and isinstance(again, Tensor) and torch.equal(first, again)
    expect(same, "The same seed must give the same split.")
    expect((first != first[0]).any(), "Different seeds must give different splits.")
    rate = first.double().mean(0)
    stuck = int(((rate == 0) | (rate == 1)).sum())
    expect(stuck == 0, f"With 60 seeds, {stuck} rows are never or always in val: shuffle within each class.")
    sizes = first.double() @ torch.nn.functional.one_hot(labels).double()
    counts_ = labels.bincount().double()
    near = (sizes - fraction * counts_).abs() < 1 + counts_ / len(labels)
    expect(near.all(), "Some seeds give a split that is not in proportion.")


@check(1, "stratified_split: torch's global random numbers are left alone")
def test_split_leaves_the_global_generator_alone(student, draw):
    labels, seed = labeled(draw), draw.integer(0, 999)
    split_of(student, labels, 0.4, seed)
    after, plain = student.helper.random_numbers_after(student.stratified_split, labels, 0.4, seed)
    different = split_of(student, labels, 0.4, seed + 1)[1].sort().values
    same = torch.equal(split_of(student, labels, 0.4, seed)[1].sort().values, different)
    expect(not same, "Different seeds must give different splits.")
    expect(
        isinstance(after, Tensor) and torch.equal(after, plain),
        "The split changes torch's global random state (manual_seed, or a shuffle without a generator of its own).",
    )


# The grid


def grid_of(student: Student, images: Tensor, columns: int, padding: int, value: float) -> Tensor:
    """Return the grid, checked for type, shape and dtype."""
    got, after = student.helper.with_arguments(student.image_grid, images, columns, padding, value)
    number, channels, height, width = images.shape
    shape = (channels, -(-number // columns) * (height + padding) + padding, columns * (width + padding) + padding)
    about = f"{number} images {channels}x{height}x{width} in {columns} columns, {padding} px of padding"
    tensor(got, shape, f"The grid of {about}")
    expect(
        got.dtype == images.dtype,
        f"The grid of {images.dtype} images is {images.dtype}; yours is {got.dtype}.",
        keep=0.5,
    )
    expect(torch.equal(after, images), "image_grid must leave the images as they are.")
    return got


@check(2, "image_grid: the shape, and each image in its place", visible=True)
def test_grid_places(student, draw):
    columns, rows, padding = draw.integer(2, 4), draw.integer(2, 3), draw.integer(1, 3)
    images = draw.uniform(columns * rows, 3, draw.integer(4, 7), draw.integer(8, 11)) + 0.5
    got = grid_of(student, images, columns, padding, 0.0)
    _, height, width = images[0].shape
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        top, left = padding + row * (height + padding), padding + column * (width + padding)
        here = got[:, top : top + height, left : left + width]
        expect(torch.equal(here, image), f"Image {i} belongs in row {row}, column {column} (both from 0).")


@check(3, "image_grid: incomplete rows, bytes, one channel, no padding, any background")
def test_grid(student, draw):
    cases = [(7, 3, 3, 2), (5, 1, 4, 0), (draw.integer(2, 3), 3, 5, 1), (1, 1, 1, 2), (6, 2, 1, 1)]
    for kind, (number, channels, columns, padding) in enumerate(cases):
        images = bytes_of(draw, number, channels, draw.integer(3, 6), draw.integer(7, 9))
        images, value = (images, draw.integer(1, 255)) if kind % 2 == 0 else (images / 255 - 0.5, 0.25)
        got = grid_of(student, images, columns, padding, value)
        wanted = right.image_grid(images, columns, padding, value)
        if not torch.equal(got, wanted):
            hint = right.diagnose_grid(images, columns, padding, value, got)
            expect(
                False,
                f"{number} images of {channels} channels in {columns} columns, padding {padding}, "
                f"background {value}: {int((got != wanted).sum())} numbers differ"
                f"{'; ' + hint if hint else ''}.",
            )
