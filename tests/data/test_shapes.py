"""The renderer of `shapes`: what is drawn, seeded how, and that only the shape tells the class."""

import pytest
import torch
import torch.nn.functional as F

from labkit import data
from labkit.data.sources import outlines, shapes
from labkit.run_folder import LabError


def covered(outline, image_size=64):
    x, y = shapes.grid(image_size)
    return outline(x * 1.4 + 0 * y, y * 1.4 + 0 * x) < 0  # (1, H, W)


def linear_accuracy(x, y, x_test, y_test):
    """Fit ridge regression to one-hot labels on standardised features: what these features tell."""
    mean, std = x.mean(0), x.std(0) + 1e-6
    x, x_test = (torch.cat([(v - mean) / std, torch.ones(len(v), 1)], 1).double() for v in (x, x_test))
    weights = torch.linalg.solve(x.T @ x + len(x) * 1e-2 * torch.eye(x.shape[1]), x.T @ F.one_hot(y).double())
    return ((x_test @ weights).argmax(1) == y_test).double().mean().item()


def histogram(images, bins=16):
    """Return how often each level occurs in each channel: (N, 3 * bins)."""
    levels = (images.long() * bins // 256).flatten(2)
    return torch.stack([(levels == b).float().mean(2) for b in range(bins)], 2).flatten(1)


def edge_distances(images):
    """Return a fixed feature that sees shape, neither color nor place nor turn.

    The autocorrelation of the gray image's edges, averaged over directions: (N, 32).
    """
    gray = images.float().mean(1)
    gray = F.avg_pool2d(gray[:, None], 3, 1, 1)[:, 0]
    edges = (gray[:, 1:, :-1] - gray[:, :-1, :-1]).square() + (gray[:, :-1, 1:] - gray[:, :-1, :-1]).square()
    edges = edges.sqrt() - edges.sqrt().median(2).values.median(1).values[:, None, None]
    spectrum = torch.fft.fft2(edges.clamp_min(0), s=(64, 64)).abs().square()
    around = torch.fft.fftshift(torch.fft.ifft2(spectrum).real, dim=(1, 2))
    yy, xx = torch.meshgrid(torch.arange(-32, 32), torch.arange(-32, 32), indexing="ij")
    ring = torch.hypot(yy.float(), xx.float()).round().long().clamp_max(31).flatten()
    radial = torch.zeros(len(images), 32).index_add_(1, ring, around.flatten(1))
    return radial / radial[:, :1].clamp_min(1e-6)


@pytest.fixture(scope="module")
def corpus():
    return data.load("shapes", n_train=2000, n_test=1000, difficulty=0.5)


def test_two_sets_of_ten_classes_are_disjoint_and_glyphs_are_two_hundred():
    assert len(outlines.CORPUS) == len(outlines.PROBE) == 10
    assert not set(outlines.CORPUS) & set(outlines.PROBE)
    assert len(outlines.outlines("glyphs")) == 200


def test_glyphs_differ_after_every_turn_move_and_mirror_image():
    figures = [frozenset(frozenset(s) for s in strokes) for strokes in outlines.glyph_strokes()]
    assert len(set(figures)) == 200
    images = [{tuple(c) for c in outlines.stroke_symmetries(f)} for f in figures]
    assert sum(map(len, images)) == len(set().union(*images))


def test_areas_match_closed_forms():
    grid_error = 0.03
    assert shapes.area(outlines.CORPUS["circle"]) == pytest.approx(torch.pi * 0.8**2, rel=grid_error)
    assert shapes.area(outlines.CORPUS["square"]) == pytest.approx(1.44**2, rel=grid_error)
    assert shapes.area(outlines.CORPUS["triangle"]) == pytest.approx(3 * 3**0.5 * 0.52**2, rel=grid_error)
    assert shapes.area(outlines.CORPUS["ring"]) == pytest.approx(torch.pi * (0.92**2 - 0.52**2), rel=grid_error)
    assert shapes.area(outlines.PROBE["ellipse"]) == pytest.approx(torch.pi * 1.05 * 0.5, rel=grid_error)
    assert shapes.area(outlines.PROBE["astroid"]) == pytest.approx((4 - torch.pi) * 1.1**2, rel=2 * grid_error)
    assert shapes.area(outlines.PROBE["pacman"]) == pytest.approx(
        torch.pi * 0.81 * (1 - 2 * torch.atan2(torch.tensor(0.6), torch.tensor(0.8)).item() / (2 * torch.pi)),
        rel=grid_error,
    )


@pytest.mark.parametrize("name, folds", [("star", 5), ("propeller", 3), ("cross", 4), ("hourglass", 2)])
def test_symmetric_shapes_look_the_same_after_a_turn(name, folds):
    outline = (outlines.CORPUS | outlines.PROBE)[name]
    x, y = (v + torch.zeros(1, 64, 64) for v in shapes.grid(64))
    angle = torch.tensor(2 * torch.pi / folds)
    turned = outline(x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin())
    assert torch.allclose(turned, outline(x, y), atol=1e-4)


def test_no_class_can_be_told_by_how_much_it_covers():
    plain = shapes.Nuisances(0)
    for classes_set in ("corpus", "probe", "glyphs"):
        drawn = [
            shapes.cover(f, 32, image_size=32, n=plain, generator=shapes.generator_for(1)).mean()
            for f in list(outlines.outlines(classes_set).values())[:10]
        ]
        assert max(drawn) / min(drawn) < 1.15, classes_set


def test_every_pair_of_classes_differs_in_a_tenth_of_its_pixels_or_more():
    masks = torch.stack([covered(f)[0] for s in (outlines.CORPUS, outlines.PROBE) for f in s.values()])
    for i in range(20):
        for j in range(i):
            shared, either = (masks[i] & masks[j]).sum(), (masks[i] | masks[j]).sum()
            assert shared / either < 0.9, (i, j)


def test_coverage_equals_the_area_by_supersampling():
    plain = shapes.Nuisances(0)
    drawn = shapes.cover(outlines.CORPUS["circle"], 8, image_size=32, n=plain, generator=shapes.generator_for(1))
    fine = shapes.cover(outlines.CORPUS["circle"], 8, image_size=256, n=plain, generator=shapes.generator_for(1))
    assert torch.allclose(F.avg_pool2d(fine[:, None], 8)[:, 0], drawn, atol=0.12)
    assert torch.allclose(fine.mean((1, 2)), drawn.mean((1, 2)), rtol=0.01)


def test_equal_seeds_draw_equal_images_and_others_do_not():
    first, again, other = (data.load("shapes", n_train=300, n_test=100, seed=s) for s in (3, 3, 4))
    assert torch.equal(first.train.images, again.train.images)
    assert torch.equal(first.val.labels, again.val.labels)
    assert not torch.equal(first.train.images, other.train.images)
    assert torch.equal(first.test.images, other.test.images)  # scores of several seeds share one test split
    assert not (first.test.images[:, None] == first.train.images[None, :100]).flatten(2).all(2).any()


def test_drawing_does_not_touch_the_global_generator_or_threads():
    torch.manual_seed(0)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    data.load("shapes", n_train=50, n_test=50)
    assert torch.equal(before, torch.get_rng_state()) and threads == torch.get_num_threads()


def test_classes_are_balanced(corpus):
    counts = torch.cat([corpus.train.labels, corpus.val.labels]).bincount()
    assert counts.tolist() == [200] * 10 and corpus.test.labels.bincount().tolist() == [100] * 10


@pytest.mark.parametrize("size", [16, 32, 70])
def test_other_sizes_show_the_same_kind_of_image(size):
    small = data.load("shapes", n_train=60, n_test=10, image_size=size).train
    assert small.images.shape[1:] == (3, size, size) and small.images.dtype == torch.uint8


@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_foreground_and_background_keep_their_contrast(difficulty):
    least = shapes.Nuisances(difficulty).contrast
    back, fore = shapes.colors(4000, least=least, generator=shapes.generator_for(5))
    luma = torch.tensor(shapes.LUMA)
    assert ((fore - back) @ luma).abs().min() >= least - 1e-6
    assert least >= 0.15


def test_difficulty_only_adds_nuisance():
    easy, hard = shapes.Nuisances(0), shapes.Nuisances(1)
    assert easy.turn == easy.shift == easy.stretch == easy.gradient == easy.grating == 0
    assert hard.turn == pytest.approx(torch.pi) and hard.noise > easy.noise and hard.contrast < easy.contrast


def test_color_alone_is_at_chance(corpus):
    train, test = corpus.train, corpus.test
    for feature in (lambda x: x.float().mean((2, 3)), histogram):
        told = linear_accuracy(feature(train.images), train.labels, feature(test.images), test.labels)
        assert told < 0.14  # chance is 0.10 +- 0.01


def test_shape_tells_the_class(corpus):
    """A linear model on edges, which sees neither color nor place nor turn, does well."""
    train, test = corpus.train, corpus.test
    x, x_test = edge_distances(train.images), edge_distances(test.images)
    told = linear_accuracy(x, train.labels, x_test, test.labels)
    assert told > 0.35


def test_wrong_options_are_one_sentence():
    for options, said in [
        ({"classes_set": "corpse"}, "corpus"),
        ({"difficulty": 2}, "from 0"),
        ({"n_train": 5}, "10 or more"),
        ({"image_size": 2}, "8 or more"),
    ]:
        with pytest.raises(LabError, match=said):
            data.load("shapes", **options)
