"""How often a right submission fails a check by chance: exact tails, from rates of torchvision's own transform.

Rates and binomials are exact tails; two variances and a mean use the normal limit.
"""

import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from scipy.stats import binom
from torchvision import transforms

from autograder.checking import CheckFailed
from autograder.checks import lab03_simclr as checks
from autograder.draw import Draw
from autograder.measure import views as measured

TABLE = Path(__file__).with_name(
    "view_rates.json"
)  # of 8,000 views (1,000 for contrast and saturation): python tests/autograder/test_false_alarms.py
RIGHT = {"s = 1, crops from 8 %": (1.0, 0.08), "s = 0.5, crops from 20 %": (0.5, 0.2)}
N = measured.DRAWS


def right_transform(strength, low):
    s = strength
    jitter = transforms.ColorJitter(0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s)
    return lambda size: transforms.Compose(
        [
            transforms.RandomResizedCrop(size, scale=(low, 1)),
            transforms.RandomHorizontalFlip(),
            transforms.RandomApply([jitter], 0.8),
            transforms.RandomGrayscale(0.2),
            transforms.ToTensor(),
        ]
    )


def student_of(transform):
    """Return a submission in this process with what the measurements ask of one."""
    repeat = lambda f, image, times: torch.stack([f(Image.fromarray(image.value.numpy())) for _ in range(times)])  # noqa: E731
    return SimpleNamespace(
        measured={}, kit=SimpleNamespace(repeat=repeat), get_simclr_transform=SimpleNamespace(keep=transform)
    )


def rates(strength: float, low: float, count: int) -> dict[str, float]:
    """Return how often one right view lies beyond the bounds that the checks put on quantiles and rates."""
    student, draw, found = student_of(right_transform(strength, low)), Draw(7, "rates"), {}

    def note(name, hits):
        found[name] = float(hits.double().mean())

    index = torch.arange(96) // 12
    board = (255 * ((index[:, None] + index[None]) % 2).to(torch.uint8))[..., None].expand(-1, -1, 3).contiguous()
    across, down = measured.shares(measured.drawn_views(student, board, 48, count), cells=8)
    area, bent = (across * down).clamp(0, 1), (across / down).log()
    note("area below 42 %", area < 0.42)
    note("area above 66 %", area > 0.66)
    note("area below 30 %", area < 0.3)
    note("area above 80 %", area > 0.8)
    note("aspect below exp -.125", bent < -0.125)
    note("aspect above exp .125", bent > 0.125)
    note("aspect beyond exp .375", bent.abs() > 0.375)
    found["mean area"], found["sd area"] = float(area.mean()), float(area.std())
    ramp = torch.linspace(40, 120, 64)
    pixels = (ramp[None] + ramp[:, None]).to(torch.uint8)[..., None].expand(-1, -1, 3).contiguous()
    down, right = measured.slopes(measured.drawn_views(student, pixels, 20, count))
    note("upside down", down < 0)
    note("undecided", right == 0)
    found["mirrored"] = float((right < 0).double().sum() / (right != 0).double().sum())
    measured.DRAWS = count
    try:
        got, clean, rough, _ = measured.colors(student, draw)
        contrast, saturation = measured.factors(student, draw)
    finally:
        measured.DRAWS = N
    gray = measured.is_gray(got)
    note("gray", gray)
    same = (got[~gray] - clean).abs().amax(1) < 4e-3
    note("jittered", ~same)
    light = got[~gray][~same].mean(1).clamp_min(1e-3).log()
    turn = (measured.hue(got[~gray][~same]) - measured.hue(clean) + 0.5) % 1 - 0.5
    note("turn beyond .2", turn.abs() > 0.2)
    for name, value in (("light", light), ("turn", turn)):
        squares = (value - value.mean()) ** 2
        found |= {f"{name}: variance": float(squares.mean()), f"{name}: its sd": float(squares.std())}
    found["factors seen"] = len(contrast) / count
    for name, factor in (("contrast", contrast), ("saturation", saturation)):
        third = factor.log().quantile(
            0.33
        )  # a tenth or fewer below it + .02, or above it + .14: only then a check fails
        note(f"{name} below its third", factor.log() < third + 0.02)
        note(f"{name} above its third", factor.log() > third + 0.14)
    return found | {"roughest": rough}


def tail(low: float, high: float, p: float, n: int) -> float:
    """Return the chance that a share of n stays outside of (low, high)."""
    return float(binom.cdf(math.floor(low * n), n, p) + binom.sf(math.ceil(high * n) - 1, n, p))


def false_alarms(r: dict[str, float]) -> dict[str, float]:
    """Return of each statistical bound of lab03 the chance that a right submission is outside of it."""
    few = lambda p, n=N: float(binom.cdf(math.ceil(0.1 * n), n, p))  # noqa: E731  (a tenth or fewer are beyond)
    normal = lambda gap, sd, n: math.erfc(gap / (sd / n**0.5) / 2**0.5) / 2  # noqa: E731
    colored, seen = range(180, N + 1), int(N * r["factors seen"] - 6 * (N * 0.25) ** 0.5)
    jittered = int(180 * 0.65)
    return {
        "crop: mean area": normal(min(r["mean area"] - 0.38, 0.7 - r["mean area"]), r["sd area"], N),
        "crop: a tenth below 42 %": few(r["area below 42 %"]),
        "crop: a tenth above 66 %": few(r["area above 66 %"]),
        "crop: smallest below 30 %": (1 - r["area below 30 %"]) ** N,
        "crop: largest above 80 %": (1 - r["area above 80 %"]) ** N,
        "crop: aspect varies": few(r["aspect below exp -.125"]) + few(r["aspect above exp .125"]),
        "crop: aspect not too much": tail(-1, 0.1, r["aspect beyond exp .375"], N),
        "mirror: upside down": tail(-1, 0.02, r["upside down"], N),
        "mirror: half of them": tail(0.33, 0.67, r["mirrored"], int(N * (1 - r["undecided"]) - 15)),
        "gray: one in five": tail(0.08, 0.34, r["gray"], N),
        "jitter: enough colored": tail(0.25, 2, 1 - r["gray"], N),
        "jitter: four in five": sum(
            float(binom.pmf(n, N, 1 - r["gray"])) * tail(0.65, 0.94, r["jittered"], n) for n in colored
        ),
        "jitter: brightness": normal(r["light: variance"] - 0.17**2, r["light: its sd"], jittered),
        "jitter: hue": normal(r["turn: variance"] - 0.042**2, r["turn: its sd"], jittered),
        "jitter: hue's end": tail(-1, 0.2, r["turn beyond .2"], jittered),
        "jitter: views that show factors": tail(0.2, 2, r["factors seen"], N),
        "jitter: contrast": few(r["contrast below its third"], seen) + few(r["contrast above its third"], seen),
        "jitter: saturation": few(r["saturation below its third"], seen) + few(r["saturation above its third"], seen),
    }


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_submission_fails_each_bound_less_than_once_in_a_million_gradings(name):
    chances = false_alarms(json.loads(TABLE.read_text())[name])
    assert max(chances.values()) < 1e-6, {bound: chance for bound, chance in chances.items() if chance >= 1e-6}


def test_the_rates_are_those_of_torchvisions_transform():
    kept, count = json.loads(TABLE.read_text()), 300
    name = "s = 0.5, crops from 20 %"
    for what, rate in rates(*RIGHT[name], count).items():
        if what not in ("roughest", "mean area", "sd area") and ":" not in what:
            p = kept[name][what]
            assert abs(rate - p) < 6 * (max(p * (1 - p), 0.01) / (count / 4)) ** 0.5, what


WRONG = {
    "no contrast": (0.8, 0, 0.8, 0.2, (3 / 4, 4 / 3)),
    "no saturation": (0.8, 0.8, 0, 0.2, (3 / 4, 4 / 3)),
    "hue twice as far": (0.8, 0.8, 0.8, 0.4, (3 / 4, 4 / 3)),
    "square crops": (0.8, 0.8, 0.8, 0.2, (1, 1)),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_row_of_the_handouts_table_is_measured(name):
    *strengths, ratio = WRONG[name]
    steps = [transforms.RandomHorizontalFlip(), transforms.RandomApply([transforms.ColorJitter(*strengths)], 0.8)]
    steps += [transforms.RandomGrayscale(0.2), transforms.ToTensor()]
    crop = lambda size: transforms.RandomResizedCrop(size, ratio=ratio)  # noqa: E731
    student = student_of(lambda size: transforms.Compose([crop(size), *steps]))
    function = checks.test_views_crop if "crops" in name else checks.test_views_jitter
    with pytest.raises(CheckFailed):
        function(student, Draw(3, name))


if __name__ == "__main__":
    found = {name: rates(*how, int(sys.argv[1])) for name, how in RIGHT.items()}
    TABLE.write_text(json.dumps(found, indent=1))
    for name, one in found.items():
        print(name, *(f"{chance:9.1e}  {bound}" for bound, chance in false_alarms(one).items()), sep="\n  ")
