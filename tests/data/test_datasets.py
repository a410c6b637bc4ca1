"""`load`, the splits it cuts and the statistics it keeps, for the sets that need no files."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
import torch

from labkit import data, resolve
from labkit.data import channel_stats, splits
from labkit.data.datasets import DATASETS
from labkit.run_folder import LabError


def rows_of(split):
    """Return each image as bytes, so that sets of images can be compared."""
    return [image.numpy().tobytes() for image in split.images[:]]


def skewed_source(counts=(50, 30, 5, 1), test_label=0):
    """A source whose image i is filled with i: what lands where can be read off."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    images = torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    test = splits.Split(images[:1], torch.tensor([test_label]), "test")
    return splits.Source([str(k) for k in range(len(counts))], splits.Split(images, labels), lambda: test)


def noise(count):
    """Return random images, the same at every call."""
    return torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def skewed(monkeypatch):
    monkeypatch.setitem(DATASETS, "skewed", lambda root, *, image_size, seed: skewed_source())


def test_the_names_of_data_sets_and_models_are_read_without_torch():
    program = (
        "import sys, labkit.models, labkit.data.datasets; print('torch' in sys.modules, callable(labkit.data.fetch))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["False", "True"]


@pytest.mark.parametrize("name", DATASETS)
def test_every_name_stands_for_a_loader(name):
    assert {"root", "image_size", "seed"} <= set(inspect.signature(resolve(DATASETS[name])).parameters)


def test_a_loader_says_whether_mirrored_images_keep_their_class(skewed):
    assert not data.load("digits").hflip_ok and data.load("skewed").hflip_ok


@pytest.mark.parametrize("name", ["shapes", "digits"])
def test_splits_are_disjoint_and_whole(name):
    options = {"n_train": 400, "n_test": 100} if name == "shapes" else {}
    d = data.load(name, **options)
    train, val, test = (set(rows_of(s)) for s in (d.train, d.val, d.test))
    assert not train & val and not train & test and not val & test
    assert (d.train.name, d.val.name, d.test.name) == ("train", "val", "test")
    assert d.num_classes == len(d.classes) == 10 and (d.image_size, d.channels) == (32, 3)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_val_keeps_the_proportions_of_the_classes(skewed, fraction):
    d = data.load("skewed", val_fraction=fraction)
    assert len(d.val) == round(fraction * 86) and len(d.train) + len(d.val) == 86
    held = d.val.labels.bincount(minlength=4)
    exact = torch.tensor([50, 30, 5, 1]) * fraction
    assert ((held - exact).abs() <= 1).all() and held[3] == 0  # a class's only image stays in train


def test_the_seed_alone_chooses_the_held_out_images(skewed):
    a, b, c = (data.load("skewed", seed=s).val.images[:, 0, 0, 0].tolist() for s in (1, 1, 2))
    assert a == b != c


def test_limit_is_stratified_and_a_smaller_one_lies_inside_a_larger_one(skewed):
    seen = []
    for limit in (20, 40, 80):
        d = data.load("skewed", limit=limit, val_fraction=0.25)
        kept = {int(image[0, 0, 0]) for s in (d.train, d.val) for image in s.images}
        assert len(kept) == limit
        seen.append(kept)
    counts = torch.cat([d.train.labels, d.val.labels]).bincount(minlength=4)
    assert counts.min() >= 1
    assert seen[0] <= seen[1] <= seen[2]


def test_val_fraction_zero_leaves_everything_to_training(skewed):
    d = data.load("skewed", val_fraction=0)
    assert len(d.train) == 86 and len(d.val) == 0


def test_test_is_read_once_and_only_when_asked_for(monkeypatch):
    asked = []
    source = skewed_source()
    load_test = source.load_test
    source.load_test = lambda: asked.append(1) or load_test()
    monkeypatch.setitem(DATASETS, "lazy", lambda root, *, image_size, seed: source)
    d = data.load("lazy")
    assert d.mean is not None and asked == []
    assert d.test is d.test and asked == [1]


def test_statistics_match_numpy_on_the_training_images():
    d = data.load("shapes", n_train=300, n_test=10)
    pixels = d.train.images.numpy().astype(np.float64) / 255
    assert np.allclose(d.mean, pixels.mean((0, 2, 3)), atol=1e-6)
    assert np.allclose(d.std, pixels.std((0, 2, 3)), atol=1e-6)


def test_statistics_do_not_depend_on_chunks(monkeypatch):
    images = noise(50)
    whole = channel_stats.channel_statistics(images)
    monkeypatch.setattr(channel_stats, "CHUNK_BYTES", 7 * 192)
    parts = channel_stats.channel_statistics(images)
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


def test_cached_statistics_are_read_again_bit_for_bit(tmp_path):
    images = noise(9)
    first = channel_stats.cached_statistics(images, tmp_path / "s.json")
    again = channel_stats.cached_statistics(None, tmp_path / "s.json")  # no images: they cannot have been read
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_large_split_is_an_index_and_reads_like_the_copy(monkeypatch):
    images = noise(40)
    whole, rows = splits.Split(images, torch.arange(40)), torch.tensor([5, 3, 39, 0, 7])
    copy = whole.take(rows)
    monkeypatch.setattr(splits, "COPY_LIMIT_BYTES", 10)
    lazy = whole.take(rows)
    assert isinstance(copy.images, torch.Tensor) and isinstance(lazy.images, splits.IndexedImages)
    assert lazy.images.shape == copy.images.shape and len(lazy) == 5
    for at in (2, -1, slice(1, 4), torch.tensor([4, 4, 0]), torch.tensor(3)):
        assert torch.equal(lazy.images[at], copy.images[at])
    twice = lazy.take(torch.tensor([4, 1]))
    assert twice.images.base is images and torch.equal(twice.images[:], images[[7, 3]])
    assert torch.equal(twice.labels, torch.tensor([7, 3]))


def test_digits_are_scikit_learns_and_their_test_split_is_fixed():
    from sklearn.datasets import load_digits

    a, b = data.load("digits", seed=0), data.load("digits", seed=9)
    assert len(a.train) + len(a.val) + len(a.test) == 1797
    assert torch.equal(a.test.images, b.test.images) and not torch.equal(a.val.images, b.val.images)
    labels = torch.cat([a.train.labels, a.val.labels, a.test.labels])
    assert torch.equal(labels.bincount(), torch.from_numpy(np.bincount(load_digits().target)))
    ink = load_digits().images.mean()
    everything = torch.cat([a.train.images, a.val.images, a.test.images]).float()
    assert everything.mean() / 255 == pytest.approx(ink / 16, abs=0.02)


def test_painted_digits_have_color_and_keep_their_shape():
    plain, painted = data.load("digits"), data.load("digits", painted=True, difficulty=0.2)
    assert torch.equal(plain.train.labels, painted.train.labels)
    assert (plain.train.images.amax(1) == plain.train.images.amin(1)).all()
    assert (painted.train.images.float().amax(1) - painted.train.images.float().amin(1)).mean() > 30
    ink = plain.train.images[:, 0].float().flatten(1)
    gray = painted.train.images.float().mean(1).flatten(1)
    ink, gray = ink - ink.mean(1, keepdim=True), gray - gray.mean(1, keepdim=True)
    likeness = (ink * gray).sum(1).abs() / (ink.norm(dim=1) * gray.norm(dim=1))
    assert likeness.median() > 0.8


@pytest.mark.parametrize(
    "name, options, said",
    [
        ("shaps", {}, "Did you mean shapes"),
        ("cifar", {}, "cifar10"),
        ("shapes", {"dificulty": 1}, "Did you mean difficulty"),
        ("digits", {"val_fracton": 0.1}, "val_fraction"),
        ("digits", {"val_fraction": 1.0}, "from 0 to below 1"),
        ("digits", {"val_fraction": -0.1}, "from 0 to below 1"),
        ("digits", {"limit": 9}, "fewer than the 10 classes"),
        ("digits", {"limit": 0}, "limit is 0"),
        ("digits", {"limit": 10}, "val_fraction=0"),
        ("digits", {"image_size": -1}, "image_size is -1; give a whole number"),
        ("digits", {"image_size": 0}, "image_size is 0;"),
        ("shapes", {"image_size": "32"}, "image_size is '32';"),
    ],
)
def test_wrong_input_is_one_sentence_that_names_the_next_step(name, options, said):
    with pytest.raises(LabError, match=said) as told:
        data.load(name, **options)
    assert "\n" not in str(told.value)


def test_a_label_out_of_range_is_refused(monkeypatch):
    source = skewed_source()
    source.train.labels[7] = 4
    monkeypatch.setitem(DATASETS, "wrong", lambda root, *, image_size, seed: source)
    with pytest.raises(
        LabError, match=r"Label 4 of the train split of wrong \(image 7; 1 such labels\) is outside 0\.\.3"
    ):
        data.load("wrong")


def test_a_test_label_out_of_range_is_refused_when_test_is_read(monkeypatch):
    monkeypatch.setitem(DATASETS, "wrong", lambda root, *, image_size, seed: skewed_source(test_label=-1))
    d = data.load("wrong")
    with pytest.raises(LabError, match=r"Label -1 of the test split of wrong \(image 0;"):
        _ = d.test
