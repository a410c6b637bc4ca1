"""Class-per-folder trees: what is decoded, when it is decoded again, what is refused."""

import errno
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from labkit import data
from labkit.data import cache, decode
from labkit.data.sources import folder
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
    return r"bird holds no images but nothing; put some there or delete it"


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
    return "has no train folder with one folder of images per class, only test, train"


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

    def fills_up(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cache.os, "fsync", fills_up)
        with pytest.raises(LabError, match=r"disk .* is full; free some space and start again"):
            data.load("folder", root=tree, val_fraction=0)
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


def alpha(ink=(200, 40, 10)):
    """An image whose drawing is in its alpha channel alone: left half ink, right half nothing."""
    image = Image.new("RGBA", (16, 16), (*ink, 255))
    image.paste((*ink, 0), (8, 0, 16, 16))
    return image


def ramp(top, kind=np.uint16):
    return Image.fromarray(np.linspace(0, top, 256).reshape(16, 16).astype(kind))


def palette():
    image = Image.new("P", (16, 16), 0)
    image.putpalette([200, 40, 10, 1, 2, 3])
    image.paste(1, (8, 0, 16, 16))
    image.info["transparency"] = 1
    return image


SHOWN = np.linspace(0, 255, 256).reshape(16, 16)


@pytest.mark.parametrize("file", ["x.png", "x.tif", "x.pgm"])
def test_gray_images_of_16_bits_are_scaled_and_not_clipped(tmp_path, file):
    ramp(65535).save(tmp_path / file)
    shown = decode.read_image(tmp_path / file)
    assert shown.shape == (3, 16, 16) and shown.dtype == torch.uint8
    assert np.abs(shown[1].numpy() - SHOWN).max() <= 0.51


def test_floats_in_0_to_1_are_scaled(tmp_path):
    ramp(1, np.float32).save(tmp_path / "float.tiff")
    assert np.abs(decode.read_image(tmp_path / "float.tiff")[0].numpy() - SHOWN).max() <= 0.51


@pytest.mark.parametrize("top", [255, float("nan"), -1])
def test_floats_of_no_known_range_are_refused(tmp_path, top):
    ramp(top, np.float32).save(tmp_path / "float.tiff")
    with pytest.raises(LabError, match=r"float\.tiff .gray values of mode F from .* save it with 8 or 16 bits"):
        decode.read_image(tmp_path / "float.tiff")


@pytest.mark.parametrize(("top", "kind"), [(2**31 - 1, np.int32), (200, np.int32)])
def test_integers_of_32_bits_are_refused(tmp_path, top, kind):
    ramp(top, kind).save(tmp_path / "x.tiff")
    with pytest.raises(LabError, match="save it with 8 or 16 bits"):
        decode.read_image(tmp_path / "x.tiff")


@pytest.mark.parametrize(
    ("image", "file"),
    [(alpha(), "x.png"), (alpha(), "x.webp"), (alpha(), "x.tiff"), (palette(), "x.gif"), (palette(), "x.png")],
)
def test_what_is_transparent_is_white(tmp_path, image, file):
    image.save(tmp_path / file, **({"lossless": True} if file == "x.webp" else {}))
    shown = decode.read_image(tmp_path / file)
    assert shown[:, 3, 3].tolist() == [200, 40, 10] and shown[:, 3, 12].tolist() == [255, 255, 255]


@pytest.mark.parametrize(("mode", "clear"), [("RGB", (1, 2, 3)), ("L", 7), ("I;16", 7)])
def test_one_transparent_color_is_white(tmp_path, mode, clear):
    Image.new(mode, (16, 16), clear).save(tmp_path / "x.png", transparency=clear)
    assert (decode.read_image(tmp_path / "x.png") == 255).all()


def test_gray_with_alpha_is_composed_on_white(tmp_path):
    Image.new("LA", (16, 16), (0, 51)).save(tmp_path / "x.png")
    assert (decode.read_image(tmp_path / "x.png") == 204).all()


@pytest.mark.parametrize("file", ["x.png", "x.jpg", "x.jfif", "x.tiff", "x.webp"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_images_are_upright_in_every_orientation(tmp_path, file, turn):
    image = Image.new("RGB", (16, 32), "black")
    image.paste("white", (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = turn
    image.save(tmp_path / file, exif=exif)
    with Image.open(tmp_path / file) as opened:
        right = np.asarray(ImageOps.exif_transpose(opened).convert("L"), dtype=int)
    shown = decode.read_image(tmp_path / file)[0].numpy().astype(int)
    assert shown.shape == ((32, 16) if turn < 5 else (16, 32)) and np.abs(shown - right).max() < 20


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".jp2", ".avif", ".webp", ".pbm", ".tga", ".JPG"])
def test_every_suffix_that_pillow_reads_is_an_image(tmp_path, suffix):
    assert data.load("folder", root=write_tree(tmp_path / "pets", suffix=suffix)).classes == ["cat", "dog"]


@pytest.mark.parametrize("names", [("training", "testing", "validation"), ("Train", "TEST", "valid")])
def test_parts_are_found_under_their_common_names(tmp_path, names):
    for name, count in zip(names, (6, 3, 2), strict=True):
        write_tree(tmp_path / "pets" / name, count=count)
    d = data.load("folder", root=tmp_path / "pets")
    assert d.classes == ["cat", "dog"] and [len(s) for s in (d.train, d.test, d.val)] == [12, 6, 4]


def test_of_two_folders_of_one_part_the_one_left_out_is_named(tree, caplog):
    for name in ("valid", "validation"):
        write_tree(tree / name, count=2)
    assert len(data.load("folder", root=tree).val) == 4
    assert "folders left out, neither train, val nor test: valid" in caplog.text


def test_a_folder_beside_the_parts_is_named(tree, caplog):
    write_tree(tree / "unlabeled")
    data.load("folder", root=tree)
    assert "folders left out, neither train, val nor test: unlabeled" in caplog.text


def test_a_set_without_a_training_part_is_refused(tree):
    (tree / "train").rename(tree / "validation")
    with pytest.raises(LabError, match="has no train folder"):
        data.load("folder", root=tree)


def test_companions_of_file_systems_are_no_images_and_no_classes(tree, caplog):
    plain = data.load("folder", root=tree).classes
    thumbnail = tree / "train" / "cat" / "00.png"
    for name in ("@eaDir", "lost+found", "__MACOSX", ".AppleDouble", "$RECYCLE.BIN", "System Volume Information"):
        for place in (tree, tree / "train", tree / "train" / "cat"):
            (place / name / "deeper").mkdir(parents=True)
            shutil.copy(thumbnail, place / name / "deeper" / "thumb.png")
    for name in ("._00.png", "Thumbs.db", "desktop.ini", ".DS_Store"):
        (tree / "train" / "cat" / name).write_text("no image")
    d = data.load("folder", root=tree, val_fraction=0)
    assert d.classes == plain and len(d.train) == 20 and not caplog.text


def test_files_left_out_are_counted_and_named_once(tree, caplog):
    for number in range(3):
        (tree / "train" / "cat" / f"{number}.cr2").write_text("raw")
    (tree / "train" / "dog" / "README").write_text("text")
    data.load("folder", root=tree)
    (record,) = caplog.records
    assert "3 .cr2, 1 README" in record.getMessage() and "left out" in record.getMessage()
    write_tree(tree / "train", classes=("elk",), suffix=".cr2.jpg")
    for file in (tree / "train" / "elk").iterdir():
        file.rename(file.with_suffix(""))
    with pytest.raises(LabError, match=r"elk holds no images but only \.cr2"):
        data.load("folder", root=tree)


def pixels(root):
    return data.load("folder", root=root, val_fraction=0).train.images.clone()


def test_a_cache_never_serves_another_set(tmp_path):
    """Equal names, sizes and times: another place, another content at one place, another target of a link."""
    first, second = tmp_path / "a" / "images", tmp_path / "b" / "images"
    write_tree(first, suffix=".bmp")
    write_tree(second, suffix=".bmp", classes=("cat", "dog"))
    for file in second.rglob("*.bmp"):
        Image.new("RGB", (16, 16), "white").save(file)
    for file in [*first.rglob("*.bmp"), *second.rglob("*.bmp")]:
        os.utime(file, (1e9, 1e9))
    before = pixels(first)
    assert (pixels(second) == 255).all()
    link = tmp_path / "images"
    link.symlink_to(first)
    assert torch.equal(pixels(link), before)
    link.unlink()
    link.symlink_to(second)
    assert (pixels(link) == 255).all()
    shutil.copyfile(second / "cat" / "00.bmp", first / "cat" / "00.bmp")
    os.utime(first / "cat" / "00.bmp", (1e9, 1e9))
    assert not torch.equal(pixels(first), before)


def test_the_bytes_are_part_of_the_key_even_where_all_times_agree(tmp_path):
    root = write_tree(tmp_path / "images", suffix=".bmp")
    before = folder.listing(root, ["cat", "dog"])
    _ = before.facts  # read now
    Image.new("RGB", (16, 16), "white").save(root / "cat" / "00.bmp")
    after = folder.Listing(root, before.files, before.labels, before.stamps)
    assert after.facts != before.facts


def test_names_that_are_not_utf8_are_read_and_told(tmp_path):
    root = write_tree(tmp_path / os.fsdecode(b"b\xfccher"), classes=(os.fsdecode(b"k\xe4se"), "dog"), suffix=".jpg")
    d = data.load("folder", root=root, val_fraction=0)
    assert len(d.train) + len(d.test) == 12
    assert "\n".join(d.classes).encode().decode() == "dog\nk\\udce4se"
    (root / "dog" / os.fsdecode(b"\xff.png")).write_text("no image")
    with pytest.raises(LabError, match=r"udcff\.png") as told:
        data.load("folder", root=root)
    str(told.value).encode()


def test_numbers_of_numpy_are_numbers(tree):
    d = data.load("folder", root=tree, image_size=np.int64(8), limit=np.int64(10), seed=np.int64(1))
    assert d.image_size == 8 and len(d.test.images) == 6
