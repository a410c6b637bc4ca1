"""Batched augmentations are distributed as torchvision's per-sample transforms are."""

import math

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import ks_2samp
from torchvision.transforms import RandomResizedCrop, v2

from labkit.transforms import get_simclr_transform, simclr_view, supervised
from labkit.transforms.batched.color import draw_color
from labkit.transforms.batched.crop import draw_crops


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(count=16, channels=3, height=32, width=32, seed=0):
    """Smooth random uint8 images: neighbouring pixels agree, as in photographs."""
    coarse = torch.rand(count, channels, 6, 6, generator=seeded(seed))
    fine = F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)
    return (fine * 255).round().byte()


def test_crop_places_and_flips_are_uniform():
    drawn = supervised(32, pad=4).draw(20_000, seeded(), image=(32, 32))
    for column, choices in ((0, 9), (1, 9), (2, 2)):
        counts = torch.bincount(drawn[:, column].long(), minlength=choices)
        assert len(counts) == choices
        expected = 20_000 / choices
        assert (counts - expected).abs().max() < 4.5 * math.sqrt(expected)


def measures(crops):
    """Area, aspect, top and left of crops (N, 4)."""
    top, left, height, width = crops.unbind(1)
    return height * width, width / height, top, left


@pytest.mark.parametrize("image", [(32, 32), (24, 60)])
def test_crops_are_distributed_as_torchvisions(image):
    ours = draw_crops(6000, image, seeded(), area=(0.08, 1.0), aspect=(3 / 4, 4 / 3))
    torch.manual_seed(0)
    canvas = torch.empty(3, *image)
    drawn = [RandomResizedCrop.get_params(canvas, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(4000)]
    for mine, other in zip(measures(ours), measures(torch.tensor(drawn).float()), strict=True):
        assert ks_2samp(mine.numpy(), other.numpy()).pvalue > 1e-3
    assert (ours[:, 0] + ours[:, 2] <= image[0]).all() and (ours[:, 1] + ours[:, 3] <= image[1]).all()


def test_a_crop_that_never_fits_is_the_central_one():
    (crop,) = draw_crops(1, (10, 80), seeded(), area=(1.0, 1.0), aspect=(3 / 4, 4 / 3)).tolist()
    assert crop == [0, (80 - round(10 * 4 / 3)) // 2, 10, round(10 * 4 / 3)]


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_color_factors_are_distributed_as_torchvisions(strength):
    both, cos, sin, added = draw_color(6000, seeded(), strength=strength, probability=1.0, gray=0.0).T
    brightness = both + added
    saturation, turns = (cos**2 + sin**2).sqrt() / both, torch.atan2(sin, cos) / (2 * math.pi)
    ours = (brightness, both / brightness, saturation, turns)
    jitter = v2.ColorJitter(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength)
    torch.manual_seed(0)
    drawn = [jitter.make_params([]) for _ in range(3000)]
    for name, values in zip(("brightness", "contrast", "saturation", "hue"), ours, strict=True):
        theirs = [float(params[f"{name}_factor"]) for params in drawn]
        assert ks_2samp(values.numpy(), theirs).pvalue > 1e-3, name


def test_flip_gray_and_jitter_come_as_often_as_asked():
    n = 20_000
    drawn = simclr_view(32, flip=0.3, gray=0.2, jitter=0.8, blur=0.4).draw(n, seeded(), image=(32, 32))
    both, cos, sin, added = drawn[:, 6:].T
    seen = [
        (0.3, drawn[:, 4] == 1),
        (0.4, drawn[:, 5] > 0),
        (0.2, (cos == 0) & (sin == 0)),
        (0.8, (both != 1) | (added != 0)),
    ]
    for probability, happened in seen:
        assert abs(happened.float().mean() - probability) < 4 * math.sqrt(probability * (1 - probability) / n)


MOMENTS = [  # options, then what may differ: mean, spread of means, spread within a view (shares of theirs)
    ({"strength": 0, "gray": 0, "blur": True}, 0.006, 0.06, 0.02),
    ({"strength": 0.5, "interpolation": "bicubic"}, 0.02, 0.08, 0.07),
    ({"strength": 1}, 0.03, 0.10, 0.14),
]


@pytest.mark.parametrize(("options", "mean", "between", "within"), MOMENTS)
def test_views_have_torchvisions_moments(options, mean, between, within):
    images = pictures(100)
    ours = torch.cat([simclr_view(32, **options)(images, seeded(seed)) for seed in range(40)])
    transform = get_simclr_transform(32, **({"interpolation": "bilinear"} | options))
    torch.manual_seed(0)
    theirs = torch.stack([transform(image) for _ in range(10) for image in images])
    means, their_means = ours.mean((2, 3)), theirs.mean((2, 3))  # (views, C)
    assert (means.mean(0) - their_means.mean(0)).abs().max() < mean
    torch.testing.assert_close(means.std(0), their_means.std(0), rtol=between, atol=0)
    spreads, their_spreads = (views.std((2, 3)).mean(0) for views in (ours, theirs))
    torch.testing.assert_close(spreads, their_spreads, rtol=within, atol=0)
