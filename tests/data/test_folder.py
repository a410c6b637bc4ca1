"""Class-per-folder trees: what is decoded, when it is decoded again, what is refused."""

import errno
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from labkit import data
from labkit.data import cache, decode
from labkit.run_folder import LabError


def color_of(label, number):
    return (40 * label + 20, 6 * number + 10, 90)


def write_tree(root, *, classes=("cat", "dog"), count=6, size=(16, 16), suffix=".png"):
    """Write images of one flat color that tells their class and number."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("RGB", size, color_of(label, number)).save(root / name / f"{number:02d}{suffix}")
    return root


@pytest.fixture(autouse=True)
def own_data(monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path / "data"))


@pytest.fixture
def tree(tmp_path):
    write_tree(tmp_path / "pets" / "train", count=10)
    write_tree(tmp_path / "pets" / "test", count=3)
    return tmp_path / "pets"


@pytest.fixture
def decodings(monkeypatch):
    """Count the images that are really decoded."""
    read, seen = decode.read_image, []
    monkeypatch.setattr(decode, "read_image", lambda file: seen.append(str(file)) or read(file))
    return seen


def test_every_image_keeps_its_pixels_and_its_class(tree):
    d = data.load("folder", root=tree, val_fraction=0.2)
    assert d.classes == ["cat", "dog"] and d.image_size == 16
    assert (len(d.train), len(d.val), len(d.test)) == (16, 4, 6)
    for split in (d.train, d.val, d.test):
        for image, label in zip(split.images, split.labels, strict=True):
            number = (int(image[1, 0, 0]) - 10) // 6
            assert image[:, 0, 0].tolist() == list(color_of(int(label), number))
            assert (image == image[:, :1, :1]).all()


def test_a_second_opening_decodes_nothing_and_gives_the_same_bits(tree, decodings):
    first = data.load("folder", root=tree)
    assert len(decodings) == 20  # the test images are not among them
    first_test = first.test
    assert len(decodings) == 26
    again = data.load("folder", root=tree)
    assert torch.equal(again.train.images, first.train.images)
    assert torch.equal(again.test.images, first_test.images)
    assert torch.equal(again.mean, first.mean) and len(decodings) == 26


def test_statistics_are_those_of_the_training_split_of_each_seed(tree):
    for seed in (0, 1, 0):
        d = data.load("folder", root=tree, seed=seed)
        pixels = d.train.images.numpy() / 255
        assert np.allclose(d.mean, pixels.mean((0, 2, 3))) and np.allclose(d.std, pixels.std((0, 2, 3)))


@pytest.mark.parametrize("change", ["overwrite", "add", "delete", "rename"])
def test_a_changed_tree_is_decoded_again(tree, change):
    before = data.load("folder", root=tree, val_fraction=0)
    file = tree / "train" / "cat" / "00.png"
    if change == "overwrite":
        Image.new("RGB", (16, 16), (255, 255, 255)).save(file)
    elif change == "add":
        shutil.copy(file, file.with_name("zz.png"))
    elif change == "delete":
        file.unlink()
    else:
        file.rename(file.with_name("zz.png"))
    after = data.load("folder", root=tree, val_fraction=0)
    assert not torch.equal(after.train.images, before.train.images)


def test_a_cache_that_was_cut_short_is_written_again(tree, tmp_path):
    before = data.load("folder", root=tree, val_fraction=0).train.images.clone()
    (file,) = (tmp_path / "data" / "cache").glob("*/images.npy")
    os.truncate(file, file.stat().st_size // 2)
    assert torch.equal(data.load("folder", root=tree, val_fraction=0).train.images, before)


def test_writing_into_opened_images_leaves_the_cache_alone(tree):
    d = data.load("folder", root=tree, val_fraction=0)
    d.test.images.zero_()
    assert data.load("folder", root=tree, val_fraction=0).test.images.sum() > 0


def test_a_val_folder_is_the_validation_split(tree):
    write_tree(tree / "val", count=2)
    d = data.load("folder", root=tree, val_fraction=0.5)
    assert (len(d.train), len(d.val)) == (20, 4)
    assert len(data.load("folder", root=tree, limit=12).train) == 10


def test_a_plain_tree_is_split_by_fraction_and_the_seed_does_not_move_test(tmp_path):
    root = write_tree(tmp_path / "plain", classes=("a", "b", "c"), count=10)
    a, b = (data.load("folder", root=root, seed=s, test_fraction=0.3) for s in (0, 1))
    assert (len(a.train), len(a.val), len(a.test)) == (19, 2, 9)
    assert torch.equal(a.test.images, b.test.images)
    assert a.test.labels.bincount().tolist() == [3, 3, 3]
    seen = [{x.numpy().tobytes() for x in s.images} for s in (a.train, a.val, a.test)]
    assert sum(map(len, seen)) == len(set().union(*seen)) == 30


def test_nested_folders_hidden_files_and_texts(tree):
    (tree / "train" / "cat" / "more").mkdir()
    Image.new("RGB", (16, 16)).save(tree / "train" / "cat" / "more" / "x.PNG")
    (tree / "train" / "cat" / ".hidden.png").write_text("no image")
    (tree / "train" / "cat" / "notes.txt").write_text("no image")
    (tree / "train" / ".ipynb_checkpoints").mkdir()
    assert len(data.load("folder", root=tree, val_fraction=0).train) == 21


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "LA", "1", "I;16"])
def test_images_of_every_mode_become_rgb(tmp_path, mode):
    suffix = ".jpg" if mode == "CMYK" else ".png"
    Image.new(mode, (16, 16)).save(tmp_path / f"x{suffix}")
    image = decode.read_image(tmp_path / f"x{suffix}")
    assert image.shape == (3, 16, 16) and image.dtype == torch.uint8


def test_a_grayscale_jpeg_and_a_turned_photo_agree_with_pillow(tmp_path):
    ramp = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (16, 1))
    Image.fromarray(ramp).save(tmp_path / "gray.jpg")
    gray = decode.read_image(tmp_path / "gray.jpg")
    assert gray.shape == (3, 16, 24) and (gray[0].int() - torch.from_numpy(ramp).int()).abs().max() < 6
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright: turn by a quarter
    Image.fromarray(ramp).save(tmp_path / "upright.jpg", exif=turned)
    assert decode.read_image(tmp_path / "upright.jpg").shape == (3, 24, 16)


def test_scaling_keeps_a_flat_image_and_cuts_the_middle(tmp_path):
    wide = torch.zeros(1, 3, 20, 60, dtype=torch.uint8)
    wide[..., 20:40] = 200
    assert (decode.resized(wide, 20) == 200).all()
    assert decode.resized(wide, 10).shape == (1, 3, 10, 10)
    assert (decode.resized(torch.full((1, 3, 33, 47), 77, dtype=torch.uint8), 16) == 77).all()


def test_image_size_scales_images_of_any_size(tmp_path):
    root = write_tree(tmp_path / "mixed", count=5, size=(30, 20))
    write_tree(root, classes=("elk",), count=5, size=(10, 40))
    d = data.load("folder", root=root, image_size=12)
    assert d.train.images.shape[1:] == (3, 12, 12) and d.num_classes == 3


def test_a_class_may_be_called_train(tmp_path):
    d = data.load("folder", root=write_tree(tmp_path / "traffic", classes=("cat", "train")))
    assert d.classes == ["cat", "train"] and len(d.train) + len(d.val) + len(d.test) == 12


def test_a_directory_named_like_an_image_is_a_directory(tree):
    (tree / "train" / "cat" / "more.jpg").mkdir()
    shutil.copy(tree / "train" / "cat" / "00.png", tree / "train" / "cat" / "more.jpg")
    assert len(data.load("folder", root=tree, val_fraction=0).train) == 21


def break_image(tree):
    file = tree / "train" / "dog" / "03.png"
    file.write_bytes(file.read_bytes()[:40])
    return r"dog.03\.png.*replace or delete it"


def break_jpeg(tree):
    write_tree(tree / "train", suffix=".jpg", count=4)
    noise = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    file = tree / "train" / "dog" / "02.jpg"
    Image.fromarray(noise).save(file)
    file.write_bytes(file.read_bytes()[:-200])
    return r"dog.02\.jpg.*replace or delete it"


def text_as_image(tree):
    (tree / "train" / "dog" / "03.png").write_text("<html>404</html>")
    return r"dog.03\.png"


def other_size(tree):
    Image.new("RGB", (20, 16)).save(tree / "train" / "dog" / "03.png")
    return r"03\.png is 20x16, the first 16x16; pass image_size=16"


def empty_class(tree):
    (tree / "train" / "bird").mkdir()
    return r"bird holds no images; put some there or delete it"


def unknown_test_class(tree):
    write_tree(tree / "test", classes=("bird",))
    return "a class that training lacks: 'bird'"


def no_test_folder(tree):
    shutil.rmtree(tree / "test")
    return "has train but no test folder"


def no_classes(tree):
    shutil.rmtree(tree / "train" / "dog")
    return "holds 1 class folders"


def broken_link(tree):
    (tree / "train" / "dog" / "x.jpg").symlink_to(tree / "nowhere.jpg")
    return r"Cannot read .*dog.x\.jpg \(a broken link\); repair or delete it"


def circle_of_links(tree):
    (tree / "train" / "dog" / "round").symlink_to("round")
    return r"Cannot read .*dog.round \(Too many levels"


def no_class_folders(tree):
    for part in ("train", "test"):
        shutil.rmtree(tree / part)
        write_tree(tree, classes=(part,))
    return "train holds no class folders"


def nothing_at_all(tree):
    shutil.rmtree(tree)
    return "There is no folder"


@pytest.mark.parametrize(
    "spoil",
    [break_image, break_jpeg, text_as_image, other_size, empty_class, unknown_test_class, no_test_folder]
    + [no_classes, nothing_at_all, broken_link, circle_of_links, no_class_folders],
)
def test_a_spoiled_tree_is_one_sentence_and_leaves_no_cache(tree, spoil, tmp_path):
    said = spoil(tree)
    with pytest.raises(LabError, match=said) as told:
        d = data.load("folder", root=tree)
        _ = d.test
    assert "\n" not in str(told.value)
    assert not list((tmp_path / "data").rglob("*.tmp"))


def test_options_of_a_folder_are_checked(tree):
    with pytest.raises(LabError, match="needs its path"):
        data.load("folder")
    with pytest.raises(LabError, match=r"test_fraction is 1.5"):
        data.load("folder", root=tree, test_fraction=1.5)
    with pytest.raises(LabError, match="not square; pass image_size"):
        data.load("folder", root=write_tree(tree.parent / "wide", size=(8, 9)))


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(tree, tmp_path, monkeypatch):
    append = cache.append

    def fills_up(stream, part):
        append(stream, part[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache, "append", fills_up)
    with pytest.raises(LabError, match=r"disk .* is full; free some space and start again"):
        data.load("folder", root=tree, val_fraction=0)
    monkeypatch.setattr(cache, "append", append)
    assert not list((tmp_path / "data").rglob("*images.npy*"))
    assert len(data.load("folder", root=tree, val_fraction=0).train) == 20


def test_too_little_space_is_said_before_hours_of_decoding(tree, monkeypatch, decodings):
    usage = shutil.disk_usage(tree)._replace(free=100)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(LabError, match="full"):
        data.load("folder", root=tree)
    assert not decodings


def test_parts_that_do_not_fill_a_cache_are_our_own_mistake_and_leave_nothing(tmp_path):
    with pytest.raises(AssertionError, match="do not fill"):
        cache.memmap_cache(tmp_path / "x" / "y.npy", (3, 1, 2, 2), lambda: [np.zeros((2, 1, 2, 2), np.uint8)])
    assert not list((tmp_path / "x").iterdir())
