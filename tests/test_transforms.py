"""The per-sample transforms: shapes, ranges, the paper's values, and what their dials do."""

import itertools

import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from labkit.run_folder import LabError
from labkit.transforms import get_simclr_transform, get_supervised_transform


def picture(height=40, width=48, channels=3):
    image = torch.randint(0, 256, (channels, height, width), generator=torch.Generator().manual_seed(0))
    return image.to(torch.uint8)


def steps_of(transform, kind):
    return [step for step in transform.transforms if isinstance(step, kind)]


@pytest.mark.parametrize("make", [get_simclr_transform, get_supervised_transform])
def test_pil_and_tensors_give_the_same_floats(make):
    image = picture()
    pil = Image.fromarray(image.permute(1, 2, 0).numpy())
    views = []
    for source in (image, pil):
        torch.manual_seed(3)
        views.append(make(32)(source))
    assert views[0].shape == (3, 32, 32) and views[0].dtype == torch.float32
    assert type(views[0]) is torch.Tensor
    assert views[0].min() >= 0 and views[0].max() <= 1 and torch.equal(*views)


def test_simclr_has_the_papers_values():
    transform = get_simclr_transform(224, blur=True)
    crop, flip, jitter, gray, blur, *_ = transform.transforms[1:]
    assert crop.scale == (0.08, 1.0) and crop.ratio == (3 / 4, 4 / 3)
    assert crop.interpolation == v2.InterpolationMode.BICUBIC
    assert (flip.p, gray.p, jitter.p, blur.p) == (0.5, 0.2, 0.8, 0.5)
    color, smooth = jitter.transforms[0], blur.transforms[0]
    assert color.brightness == color.contrast == color.saturation == pytest.approx((0.2, 1.8))
    assert color.hue == pytest.approx((-0.2, 0.2))
    assert tuple(smooth.kernel_size) == (23, 23) and tuple(smooth.sigma) == (0.1, 2.0)


def test_strength_scales_the_colors_and_cifar_has_no_blur():
    transform = get_simclr_transform(32, strength=0.5)
    (jitter,) = steps_of(transform, v2.RandomApply)
    assert jitter.transforms[0].brightness == pytest.approx((0.6, 1.4))
    assert jitter.transforms[0].hue == pytest.approx((-0.1, 0.1))


def test_without_chance_the_simclr_view_is_a_plain_resize():
    image = picture(32, 32)
    still = get_simclr_transform(32, strength=0, area=(1, 1), aspect=(1, 1), flip=0, gray=0)
    torch.testing.assert_close(still(image), image / 255)
    mirrored = get_simclr_transform(32, strength=0, area=(1, 1), aspect=(1, 1), flip=1, gray=0)
    torch.testing.assert_close(mirrored(image), image.flip(-1) / 255)


def test_the_supervised_crop_comes_from_the_padded_image():
    image, seen = picture(8, 8), set()
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
    corners = itertools.product(range(3), range(3))
    places = {padded[:, y : y + 8, x : x + 8].numpy().tobytes(): (y, x) for y, x in corners}
    transform = get_supervised_transform(8, pad=1, flip=False)
    torch.manual_seed(0)
    for _ in range(150):
        seen.add(places[(transform(image) * 255).round().byte().numpy().tobytes()])
    assert len(seen) == 9


def test_an_unknown_interpolation_names_the_known_ones():
    with pytest.raises(LabError, match="bicubic"):
        get_simclr_transform(32, interpolation="cubic")
