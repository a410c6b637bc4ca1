"""Checks of lab03: the loss by value, gradient, behaviour; the model by what z follows; views by rates.

False alarms: all is judged on DRAWS = 300 views; tests/autograder/test_false_alarms.py computes for each bound
how often a right transform is outside of it (below 1e-6), from the rates of torchvision's own.
"""

import math

import torch
from torch import Tensor

from autograder.checking import Lab, check, expect
from autograder.draw import Draw
from autograder.measure.compare import LOSS, LOSS_GRADIENT, close, number
from autograder.measure.models import arrives, run
from autograder.measure.views import DRAWS, colors, drawn_views, factors, hue, is_gray, shares, slopes
from autograder.reference import lab03_simclr as right
from autograder.student import CPU, Student

LAB = Lab(
    title="SimCLR: model, loss, views",
    files=["simclr.py", "main.py"],
    names=["NTXentLoss", "SimCLRModel", "get_simclr_transform"],
)


# The loss


def value_of(loss) -> float:
    return number(loss, "The loss")


def pairs(draw: Draw, batch: int, width: int) -> tuple[Tensor, Tensor]:
    """Return two related views (batch, width) whose rows have very different lengths."""
    z_i = draw.normal(batch, width)
    z_j = z_i + draw.real(0.5, 1.5) * draw.normal(batch, width)
    return z_i * torch.exp(draw.normal(batch, 1)), z_j * torch.exp(draw.normal(batch, 1))


def loss_of(student: Student, batch: int, temperature: float):
    return student.NTXentLoss.keep(CPU, batch, temperature)


def compare(student: Student, cases) -> None:
    """Compare losses with the oracle at (z_i, z_j, batch, T); explain a difference by known mistakes."""
    measured, wrong, made = [], None, {}
    for z_i, z_j, batch, temperature in cases:
        if (batch, temperature) not in made:  # an object is used again, as in training
            made[batch, temperature] = loss_of(student, batch, temperature)
        got = value_of(made[batch, temperature](z_i, z_j))
        wanted = float(right.nt_xent(z_i, z_j, temperature))
        measured.append((z_i, z_j, temperature, got))
        if wrong is None and not close(got, wanted, LOSS):
            wrong = f"N = {len(z_i)}, T = {temperature:.3g}: the loss is {wanted:.5f}, yours {got:.5f}"
    if wrong:
        hint = right.diagnose(measured)[1]
        expect(False, f"{wrong}: {hint}." if hint else f"{wrong}.")


@check(1, "Loss: equal rows give log(2N - 1)", visible=True)
def test_loss_of_equal_rows(student, draw):
    """When all rows are equal, each view picks its partner among 2N - 1 equal candidates."""
    for batch in (2, draw.integer(3, 9), draw.integer(10, 24)):
        loss, wanted = loss_of(student, batch, draw.real(0.1, 1.0)), math.log(2 * batch - 1)
        row = draw.normal(1, 16).expand(batch, 16).contiguous()
        got = value_of(loss(row, 3 * row))
        expect(
            close(got, wanted, 5 * LOSS),
            f"With {batch} equal pairs the loss is log(2*{batch} - 1) = {wanted:.4f}; yours is {got:.4f}.",
        )


@check(1, "Loss: lower for true pairs, the same for swapped views and for any scale", visible=True)
def test_loss_behaves(student, draw):
    """True pairs must cost less than strangers; z's length and the order of the views must not matter."""
    batch, width = draw.integer(6, 12), draw.integer(8, 24)
    loss = loss_of(student, batch, draw.real(0.2, 0.7))
    z_i = draw.normal(batch, width)
    z_j = z_i + 0.3 * draw.normal(batch, width)
    true, strangers = value_of(loss(z_i, z_j)), value_of(loss(z_i, z_j.roll(1, 0)))
    expect(strangers > true + 0.2, f"True pairs must cost less ({true:.4f}) than wrong ones ({strangers:.4f}).")
    swapped = value_of(loss(z_j, z_i))
    expect(close(swapped, true, LOSS), f"Swapping the views changes your loss from {true:.4f} to {swapped:.4f}.")
    scaled = value_of(loss(z_i * (0.1 + 5 * draw.uniform(batch, 1)), z_j))
    expect(
        close(scaled, true, LOSS),
        f"Longer rows of z change your loss from {true:.4f} to {scaled:.4f}; cosine similarity ignores length.",
    )


@check(2, "Loss: the paper's value at many temperatures")
def test_loss_matches_the_paper(student, draw):
    batch, width = draw.integer(5, 10), draw.integer(6, 40)
    temperatures = [draw.real(0.1, 0.2), draw.real(0.2, 0.45), draw.real(0.55, 0.8), 1.0]
    compare(student, [(*pairs(draw, batch, width), batch, t) for t in temperatures])


@check(1, "Loss: small temperatures, and views that point away from each other")
def test_loss_at_small_temperatures(student, draw):
    """exp(1/T) is large here: a float32 loss is only right where logits are handled with care."""
    batch, width, cases = draw.integer(5, 10), draw.integer(6, 40), []
    for temperature in (0.05, draw.real(0.05, 0.08), draw.real(0.3, 0.9)):
        z_i, z_j = pairs(draw, batch, width)
        cases += [(30 * z_i, z_j, batch, temperature), (z_i, -z_i + 0.1 * z_j, batch, temperature)]
    compare(student, cases)


@check(1, "Loss: any number of rows, also 1, whatever batch_size was announced")
def test_loss_of_ragged_batches(student, draw):
    announced, temperature = draw.integer(6, 12), draw.real(0.2, 0.8)
    sizes = [announced, announced - draw.integer(1, 4), announced + draw.integer(1, 5), announced]
    compare(student, [(*pairs(draw, size, 12), announced, temperature) for size in sizes])
    z_i, z_j = pairs(draw, 1, 12)
    for pair, small in (((z_i, z_j), temperature), ((z_i, -z_i), 0.05)):
        single = value_of(loss_of(student, announced, small)(*pair))
        expect(
            abs(single) < 1e-4,
            f"With one pair there is one candidate, so the loss is 0, for opposite views too; yours is {single:.4f}.",
        )


@check(2, "Loss: the gradient of both views")
def test_loss_gradients(student, draw):
    for temperature in (draw.real(0.08, 0.2), draw.real(0.4, 1.0)):
        batch, width = draw.integer(4, 9), draw.integer(6, 24)
        z_i, z_j = pairs(draw, batch, width)
        value, grads = student.kit.gradients(loss_of(student, batch, temperature), z_i, z_j)
        value_of(value)
        wanted = right.gradients(z_i, z_j, temperature)[1:]
        for name, got, true in zip(("z_i", "z_j"), grads, wanted, strict=True):
            expect(
                isinstance(got, Tensor) and got.shape == true.shape,
                f"No gradient reaches {name}: the "
                "graph is cut (detach, item, no_grad, or a new tensor made of numbers).",
            )
            off = float((got.double() - true).norm() / true.norm())
            ratio = float((got.double() * true).sum() / (true * true).sum())
            expect(
                off < LOSS_GRADIENT,
                f"At T = {temperature:.3g} the gradient of {name} is off by {off:.1%} of its "
                f"length (along the right direction it is {ratio:.3f} of what it should be).",
            )


# The model


def model_of(student: Student, draw: Draw):
    """Return (model, backbone, size, projection_dim) of drawn sizes, the backbone's weights drawn too."""
    hidden, size, dim = draw.integer(17, 40), 2 * draw.integer(4, 7), draw.integer(9, 33)
    backbone = student.kit.FakeBackbone(hidden, draw.integer(3, 6), size)
    values = {n: draw.normal(*s) / max(1, s[-1]) ** 0.5 for n, s, _ in student.kit.shapes(backbone)}
    student.kit.set_weights(backbone, values)
    return student.SimCLRModel.keep(backbone, dim), backbone, size, dim


def gradients_of(student: Student, draw: Draw, model, backbone, size: int, dim: int):
    images, weight = draw.normal(8, 3, size, size), draw.normal(8, dim)
    return student.kit.model_gradients(model, backbone, images, weight)


@check(1, "Model: z has the shape (B, projection_dim)", visible=True)
def test_model_shapes(student, draw):
    """Any backbone, any projection_dim; also a batch of one image in eval mode."""
    for batch in (draw.integer(3, 7), 1):
        model, _, size, dim = model_of(student, draw)
        z = run(student, model, draw.normal(batch, 3, size, size), dim)
        expect(batch == 1 or (z - z.mean(0)).abs().max() > 1e-5, "z is the same for different images.")


@check(1, "Model: z follows the class token, and nothing else")
def test_model_reads_the_class_token(student, draw):
    model, _, size, dim = model_of(student, draw)
    images, other = draw.normal(4, 3, size, size), draw.normal(4, 3, size, size)
    lower = torch.cat([images[:, :, : size // 2], other[:, :, size // 2 :]], 2)
    upper = torch.cat([other[:, :, : size // 2], images[:, :, size // 2 :]], 2)
    z, moved, followed = (run(student, model, one, dim) for one in (images, lower, upper))
    tall = z.abs().max()
    expect(
        (z - moved).abs().max() < 1e-4 * tall,
        "z changes with tokens that are not the class token (last_hidden_state[:, 0]), or with other images.",
    )
    expect(
        (z - followed).abs().amax(1).min() > 1e-3 * tall, "z does not follow the class token, last_hidden_state[:, 0]."
    )
    expect(
        (z[:2] - run(student, model, images[:2], dim)).abs().max() < 1e-3 * tall,
        "In eval mode z of an image must not depend on the other images of the batch.",
    )


@check(2, "Model: the head is W2 relu(W1 h): two layers and what bends between them")
def test_model_head_bends(student, draw):
    """Along a straight line of class tokens, a head without a bend stays in a plane."""
    model, backbone, size, dim = model_of(student, draw)
    start, way = draw.normal(1, 3, size, size), draw.normal(1, 3, size, size)
    z = run(student, model, start + torch.linspace(-8, 8, 64).view(-1, 1, 1, 1) * way, dim)
    strength = torch.linalg.svdvals(z.double())
    expect(strength[2] > 1e-3 * strength[0], "The head is linear: put a nonlinearity between its two layers.")
    z = run(student, model, 3 * draw.normal(200, 3, size, size), dim)
    signs = min((z > 0).double().mean(), (z < 0).double().mean())
    expect(signs > 0.01, "z never changes its sign: no activation after the last layer.")
    z = run(student, model, 1e4 * draw.normal(20, 3, size, size), dim)
    free = ((z.abs() - 1).abs() > 0.01).double().mean()
    expect(free > 0.05, "For large h every number of z is 1 or -1: no activation after the last layer.")
    others = gradients_of(student, draw, model, backbone, size, dim)[1]
    layers = sum(arrives(one) and one.ndim >= 2 for one in others.values())
    expect(layers >= 2, f"The head needs two trained layers W1 and W2; gradients reach {layers} weight matrices.")


@check(1, "Model: gradients reach the head and the backbone that was given")
def test_model_trains_everything(student, draw):
    model, backbone, size, dim = model_of(student, draw)
    inside, others, frozen = gradients_of(student, draw, model, backbone, size, dim)
    expect(not frozen, f"{len(frozen)} parameters are frozen (requires_grad False); SimCLR trains backbone and head.")
    expect(
        all(arrives(one) for one in inside),
        "No gradient reaches the backbone that was given (detach, no_grad, or a copy of it).",
    )
    expect(any(arrives(one) for one in others.values()), "The head has no parameters that an optimizer would find.")


@check(1, "Model: the same images give the same z, in train mode too")
def test_model_is_deterministic(student, draw):
    model, backbone, size, dim = model_of(student, draw)
    images, before = draw.normal(6, 3, size, size), student.kit.weights(backbone)
    for train in (False, True):
        first, second = (run(student, model, images, dim, train=train) for _ in range(2))
        expect((first - first.mean(0)).abs().max() > 1e-5, "z is the same for different images.")
        expect(
            (first - second).abs().max() <= 1e-4 * first.abs().max(),
            "Two passes over the same images in "
            f"{'train' if train else 'eval'} mode differ: no dropout, and no layer that is made anew.",
        )
    after = student.kit.weights(backbone)
    expect(
        all(torch.equal(after[name], one) for name, one in before.items()),
        "A forward pass must not change the backbone's weights.",
    )


# The views


@check(1, "Views: a float tensor (3, size, size) in a sensible range, for any size", visible=True)
def test_views_have_type_size_and_range(student, draw):
    """Pixels in [0, 1], or normalized by some mean and standard deviation."""
    for size in (32, 2 * draw.integer(20, 50), 224):
        got = drawn_views(student, draw.noise_image(draw.integer(40, 160), draw.integer(40, 160)), size, 6)
        low, high = float(got.min()), float(got.max())
        sentence = f"Pixels run from {low:.3g} to {high:.3g}; scale them to [0, 1] (ToTensor does), once."
        expect(max(abs(low), abs(high)) < 12 and high - low > 0.1, sentence)


@check(1, "Views: two views of an image differ", visible=True)
def test_views_are_random(student, draw):
    """A transform that gives the same view twice has nothing to contrast."""
    got = drawn_views(student, draw.noise_image(80, 80), 2 * draw.integer(16, 30), 12).flatten(1)
    far = torch.cdist(got, got, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(math.inf).min()
    expect(far > 1e-3, "Two of twelve views of one image are equal.")
    expect((got.std(1) > 1e-4).all(), "A view is one flat color although its image is not.")


@check(1, "Views: a random crop of 8 % to 100 % of the image, resized")
def test_views_crop(student, draw):
    index = torch.arange(96) // 12
    board = 255 * ((index[:, None] + index[None]) % 2).to(torch.uint8)
    board = board[..., None].expand(-1, -1, 3).contiguous()
    across, down = shares(drawn_views(student, board, 48, DRAWS), cells=8)
    got, bent = (across * down).clamp(0, 1), (across / down).log().quantile(torch.tensor([0.1, 0.9]).double())
    mean, low, high = float(got.mean()), float(got.quantile(0.1)), float(got.quantile(0.9))
    expect(got.std() > 0.12, f"The crop always takes about as much of the image ({mean:.0%}).")
    expect(
        0.38 < mean < 0.70 and low < 0.42 and high > 0.66,
        f"The crop's area is {mean:.0%} of the image "
        f"on average ({low:.0%} to {high:.0%} for most views); the paper draws it from 8 % to 100 %.",
    )
    expect(bent[1] - bent[0] > 0.25, "All crops have the image's aspect; the paper draws it from 3/4 to 4/3.")
    expect(bent[1] - bent[0] < 0.75, "Crops are stretched more than from 3/4 to 4/3.")
    expect(got.min() < 0.3 and got.max() > 0.8, f"Areas end at {float(got.min()):.0%} and {float(got.max()):.0%}.")


@check(1, "Views: mirrored left to right half of the time")
def test_views_flip(student, draw):
    ramp = torch.linspace(40, 120, 64)
    pixels = (ramp[None] + ramp[:, None]).to(torch.uint8)[..., None].expand(-1, -1, 3).contiguous()
    down, right = slopes(drawn_views(student, pixels, 20, DRAWS))
    upside = float((down < 0).double().mean())
    flipped = float((right < 0).double().sum() / (right != 0).double().sum().clamp_min(1))  # flat views: undecided
    expect(upside < 0.02, f"{upside:.0%} of the views are upside down; mirror left to right only.")
    expect(0.33 < flipped < 0.67, f"{flipped:.0%} of the views are mirrored left to right; it should be 50 %.")


@check(1, "Views: gray one time in five")
def test_views_gray(student, draw):
    rate = float(is_gray(colors(student, draw)[0]).double().mean())
    expect(0.08 < rate < 0.34, f"{rate:.0%} of the views are gray; the paper says 20 %.")


@check(1, "Views: colors are jittered four times in five, in brightness, contrast, saturation and hue")
def test_views_jitter(student, draw):
    got, clean, rough, _ = colors(student, draw)
    expect(
        rough < 0.03,
        "A view of an image of one color has other colors in it: something beside the table (rotation, ...).",
    )
    colored = got[~is_gray(got)]
    expect(len(colored) > DRAWS / 4, "Hardly any view keeps its colors.")
    same = (colored - clean).abs().amax(1) < 4e-3
    rate = 1 - float(same.double().mean())
    expect(0.65 < rate < 0.94, f"Colors change in {rate:.0%} of the views that are not gray; the paper says 80 %.")
    light = colored[~same].mean(1).clamp_min(1e-3).log().std()
    expect(light > 0.17, "The jitter hardly changes the brightness; the paper's strength is 0.8 s, s = 0.5 or 1.")
    turn = (hue(colored[~same]) - hue(clean) + 0.5) % 1 - 0.5
    expect(turn.std() > 0.042, "The jitter hardly turns the hue; the paper's strength is 0.2 s with s = 0.5 or 1.")
    expect(turn.abs().quantile(0.8) < 0.2, "The jitter turns the hue further than 0.2, the paper's strength.")
    for name, factor in zip(("contrast", "saturation"), factors(student, draw), strict=True):
        low, high = factor.log().quantile(torch.tensor([0.1, 0.9]).double())
        expect(high - low > 0.12, f"The jitter hardly changes the {name}; the paper's strength is 0.8 s, s = 0.5 or 1.")
