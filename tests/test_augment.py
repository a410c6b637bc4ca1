"""Augmentations against slow transcriptions, torchvision's functions, and its per-sample distributions."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from labkit.run_folder import LabError
from labkit.transforms import get_simclr_transform, get_supervised_transform, simclr_view, supervised
from labkit.transforms.batched.augmentation import Normalize
from labkit.transforms.batched.color import AffineColor, distortion, draw_color
from labkit.transforms.batched.crop import Axis, blur_size, draw_sigmas
from labkit.transforms.batched.simclr import resized

UNIT = Normalize(3, unit=1.0)  # pixels that are in [0, 1] already, not normalized


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(count=16, channels=3, height=32, width=32, seed=0):
    """Smooth random uint8 images: neighbouring pixels agree, as in photographs."""
    coarse = torch.rand(count, channels, 6, 6, generator=seeded(seed))
    fine = F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)
    return (fine * 255).round().byte()


# --- supervised: crop, flip, cutout, jitter ---


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("channels", "height", "width", "size"), [(3, 32, 32, 32), (1, 20, 26, (18, 30))])
def test_gathered_crops_are_padding_and_slicing(channels_last, mirrored, channels, height, width, size):
    images, augment = pictures(24, channels, height, width), supervised(size, pad=3)
    drawn = augment.draw(16, seeded(), image=(height, width))
    index = torch.randperm(24, generator=seeded())[:16]
    prepared = augment.prepare(images, channels_last=channels_last, mirrored=mirrored)
    out = augment.render(prepared, index, drawn, Normalize(channels))
    h, w = augment.size
    for row, (top, left, flip, *_) in enumerate(drawn.int().tolist()):
        crop = F.pad(images[index[row]], (3, 3, 3, 3))[:, top : top + h, left : left + w]
        crop = crop.flip(-1) if flip else crop
        assert torch.equal(out[row], crop.float() * (torch.ones(()) * (1 / 255)))
    order = torch.channels_last if channels_last else torch.contiguous_format
    assert out.is_contiguous(memory_format=order)


def test_cutout_zeroes_a_square_cut_off_at_the_border():
    augment = supervised(16, pad=0, flip=False, cutout=5)
    images = torch.full((64, 3, 16, 16), 200, dtype=torch.uint8)
    drawn = augment.draw(64, seeded(), image=(16, 16))
    scale = Normalize(3, mean=[0.5] * 3, std=[0.25] * 3)
    for channels_last in (False, True):
        prepared = augment.prepare(images, channels_last=channels_last)
        out = augment.render(prepared, torch.arange(64), drawn, scale)
        for image, (y, x) in zip(out, drawn[:, 3:5].int().tolist(), strict=True):
            expected = torch.full((3, 16, 16), (200 / 255 - 0.5) / 0.25)
            expected[:, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = 0
            torch.testing.assert_close(image, expected)


def test_jitter_leaves_places_alone_and_changes_every_image_differently():
    images = pictures(32)
    plain = supervised(32)(images, seeded())
    jittered = supervised(32, jitter=0.4)(images, seeded())
    change = (jittered - plain).abs().flatten(1).mean(1)
    assert (change > 1e-3).all() and change.unique().numel() > 30
    assert jittered.min() >= 0 and jittered.max() <= 1


# --- the matrices of crop, resize and blur ---


@pytest.mark.parametrize("cubic", [False, True])
@pytest.mark.parametrize(
    ("image", "size", "crop"),
    [
        ((32, 32), (32, 32), (3, 5, 20, 17)),
        ((32, 32), (32, 32), (0, 0, 32, 32)),
        ((40, 52), (16, 24), (2, 1, 37, 50)),
        ((48, 20), (32, 32), (7, 0, 41, 9)),
        ((32, 32), (32, 32), (31, 0, 1, 4)),
    ],
)
def test_two_products_are_torchvisions_resized_crop(image, size, crop, cubic):
    pixels = torch.rand(2, 3, *image, generator=seeded())
    top, left, height, width = (torch.tensor([float(value)] * 2) for value in crop)
    mirror = torch.tensor([False, True])
    axes = (
        Axis(top, height, sides=(image[0], size[0]), cubic=cubic),
        Axis(left, width, sides=(image[1], size[1]), cubic=cubic, mirror=mirror),
    )
    out = resized(pixels.flatten(1), 3, rows=axes[0], columns=axes[1], part=slice(0, 2)).view(2, 3, *size)
    mode = v2.InterpolationMode.BICUBIC if cubic else v2.InterpolationMode.BILINEAR
    expected = tv.resized_crop(pixels, *crop, size=list(size), interpolation=mode, antialias=True)
    torch.testing.assert_close(out, torch.stack([expected[0], expected[1].flip(-1)]), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("side", [32, 96])
def test_blur_is_torchvisions_gaussian_blur(side):
    pixels, sigmas = torch.rand(3, 3, side, side, generator=seeded()), [0.1, 0.9, 2.0]
    kernel = blur_size(side)
    assert kernel % 2 == 1 and abs(kernel - side / 10) <= 1
    zero, full = torch.zeros(3), torch.full((3,), float(side))
    axis = Axis(zero, full, sides=(side, side), sigma=torch.tensor(sigmas), kernel=kernel)
    out = resized(pixels.flatten(1), 3, rows=axis, columns=axis, part=slice(0, 3)).view_as(pixels)
    for row, sigma in enumerate(sigmas):
        torch.testing.assert_close(out[row], tv.gaussian_blur(pixels[row], [kernel, kernel], [sigma, sigma]))


def test_no_sigma_means_no_blur():
    sharp = draw_sigmas(2000, seeded(), probability=0.5) == 0
    assert abs(sharp.float().mean() - 0.5) < 4 * 0.5 / math.sqrt(2000)
    axis = Axis(torch.zeros(1), torch.full((1,), 9.0), sides=(9, 9), sigma=torch.zeros(1))
    assert torch.equal(axis.matrix(slice(0, 1))[0], torch.eye(9))


# --- color ---


def recolored(images, color):
    flat = images.flatten(2)
    out = AffineColor(color, images.shape[1], Normalize(images.shape[1], unit=1.0)).apply(
        flat, slice(0, len(flat)), torch.empty_like(flat)
    )
    return out.view_as(images)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_one_matrix_is_torchvisions_adjustments_in_any_order(order):
    images = 0.35 + 0.3 * torch.rand(8, 3, 12, 12, generator=seeded())  # no step leaves [0, 1] and clamps
    b, c, s = 0.8 + 0.4 * torch.rand(3, 8, generator=seeded(1))
    out = recolored(images, distortion(b, c, s, torch.zeros(8)))
    for row in range(8):
        steps = [(tv.adjust_brightness, b), (tv.adjust_contrast, c), (tv.adjust_saturation, s)]
        expected = images[row]
        for step, factor in (steps[k] for k in order):
            expected = step(expected, float(factor[row]))
        torch.testing.assert_close(out[row], expected, atol=2e-4, rtol=0)  # torchvision's gray weighs .9999


def test_gray_images_and_one_channel_agree():
    one = torch.rand(4, 1, 8, 8, generator=seeded())
    color = draw_color(4, seeded(), probability=1.0)
    three = recolored(one.expand(4, 3, 8, 8).contiguous(), color)
    torch.testing.assert_close(three, recolored(one, color).expand(4, 3, 8, 8), atol=1e-5, rtol=0)


def test_hue_turns_chroma_and_keeps_luma():
    images, one = 0.4 + 0.2 * torch.rand(3, 3, 6, 6, generator=seeded()), torch.ones(3)
    luma = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    out = recolored(images, distortion(one, one, one, torch.tensor([0.0, 0.5, 0.2])))
    torch.testing.assert_close((out * luma).sum(1), (images * luma).sum(1))
    gray = (images * luma).sum(1, keepdim=True)
    torch.testing.assert_close(out[0], images[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(out[1], (2 * gray - images)[1], atol=1e-6, rtol=0)  # half a circle
    back = recolored(out, distortion(one, one, one, -torch.tensor([0.0, 0.5, 0.2])))
    torch.testing.assert_close(back, images, atol=1e-5, rtol=0)


# --- the whole augmentation ---


def test_normalising_a_view_is_normalising_the_pixels():
    images, augment, mean, std = pictures(20), simclr_view(24, blur=True), [0.5, 0.4, 0.3], [0.2, 0.3, 0.25]
    drawn, index = augment.draw(20, seeded(), image=(32, 32)), torch.arange(20)
    plain = augment.render(augment.prepare(images), index, drawn, Normalize(3))
    for channels_last in (False, True):
        prepared = augment.prepare(images, channels_last=channels_last)
        out = augment.render(prepared, index, drawn, Normalize(3, mean=mean, std=std))
        expected = (plain - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
        torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    assert out.is_contiguous(memory_format=torch.channels_last) and plain.min() >= 0 and plain.max() <= 1


@pytest.mark.parametrize("make", [supervised, simclr_view])
def test_bytes_and_floats_mean_the_same_image(make):
    images = pictures(8)
    of_bytes, of_floats = make(32)(images, seeded()), make(32)(images / 255, seeded())
    torch.testing.assert_close(of_bytes, of_floats, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("make", [supervised, simclr_view])
def test_one_channel_and_non_square_images_work(make):
    assert make((20, 28))(pictures(5, 1, 20, 28), seeded()).shape == (5, 1, 20, 28)


def test_strength_is_a_dial():
    images, changes = pictures(200), []
    plain = simclr_view(32, strength=0, gray=0)(images, seeded())
    for strength in (0.25, 0.5, 1.0):
        changes.append((simclr_view(32, strength=strength, gray=0)(images, seeded()) - plain).abs().mean())
    assert 0 < changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("blur", [False, True])
def test_exact_is_torchvisions_transform_with_the_drawn_seed(blur):
    images, augment = pictures(4), simclr_view(24, blur=blur, exact=True)
    before = torch.get_rng_state()
    out = augment(images, seeded(5))
    assert torch.equal(torch.get_rng_state(), before)
    for view, image, (seed,) in zip(
        out, images, augment.draw(4, seeded(5), image=(32, 32)).int().tolist(), strict=True
    ):
        torch.manual_seed(seed)
        assert torch.equal(view, get_simclr_transform(24, blur=blur, interpolation="bilinear")(image))


def test_exact_supervised_uses_the_per_sample_transform():
    images, augment = pictures(4), supervised(32, exact=True)
    seed = int(augment.draw(1, seeded(5), image=(32, 32))[0])
    torch.manual_seed(seed)
    assert torch.equal(augment(images[:1], seeded(5))[0], get_supervised_transform(32)(images[0]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("make", [supervised, simclr_view])
def test_a_gpu_renders_what_a_cpu_does(make):
    images, augment = pictures(16), make(32)
    on_gpu = augment(images.cuda(), seeded()).cpu()
    torch.testing.assert_close(on_gpu, augment(images, seeded()), atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: supervised(64)(pictures(2), seeded()), "does not fit"),
        (lambda: supervised(32, pad=-1), "not negative"),
        (lambda: supervised(32, cutout=8, exact=True), "crop and flip only"),
        (lambda: supervised(0), "at least 1"),
        (lambda: simclr_view(32, strength=-1), "strength"),
        (lambda: simclr_view(32, gray=2), "probability"),
        (lambda: simclr_view(32, area=(0.5, 0.1)), "area"),
        (lambda: simclr_view(32, interpolation="lanczos"), "bilinear"),
        (lambda: simclr_view(32)(pictures(2, 4), seeded()), "1 or 3 channels"),
        (lambda: simclr_view(32)(pictures(2)[0], seeded()), "batch"),
        (lambda: simclr_view(32)(pictures(2).int(), seeded()), "uint8"),
        (lambda: supervised(32)(pictures(2).float(), seeded()), "scale them"),
    ],
)
def test_mistakes_are_explained(call, words):
    with pytest.raises(LabError, match=words):
        call()
