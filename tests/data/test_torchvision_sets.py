"""CIFAR and MNIST: what `load` makes of torchvision's readers, on small files of the same format."""

import gzip
import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from labkit import data
from labkit.data import download
from labkit.data.sources import torchvision_sets
from labkit.data.sources.torchvision_sets import READERS
from labkit.run_folder import LabError


def md5(content):
    return hashlib.md5(content).hexdigest()


@pytest.fixture(autouse=True)
def own_data(monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))


def write_cifar(root, monkeypatch, name, *, rows=40, classes=10):
    """Write random batches as CIFAR has them and let the reader expect their checksums."""
    draw, reader = np.random.default_rng(0), READERS[name]
    folder = root / reader.base_folder
    folder.mkdir(parents=True)

    def write(file, content):
        blob = pickle.dumps(content)
        (folder / file).write_bytes(blob)
        return md5(blob)

    def batch():
        labels = draw.permutation(np.arange(rows) % classes).tolist()
        key = "labels" if name == "cifar10" else "fine_labels"
        return {"data": draw.integers(0, 256, (rows, 3072), dtype=np.uint8), key: labels}

    for part in ("train_list", "test_list"):
        monkeypatch.setattr(reader, part, [[file, write(file, batch())] for file, _ in getattr(reader, part)])
    names = {reader.meta["key"]: [f"name {k}" for k in range(classes)]}
    monkeypatch.setattr(reader, "meta", reader.meta | {"md5": write(reader.meta["filename"], names)})
    return reader


def write_mnist(root, monkeypatch, name, *, rows=60):
    """Write random IDX files, packed and plain (torchvision reads the plain ones)."""
    draw, reader = np.random.default_rng(0), READERS[name]
    raw = root / reader.__name__ / "raw"
    raw.mkdir(parents=True)
    resources = []
    for file, _ in reader.resources:
        shape = (rows, 28, 28) if "images" in file else (rows,)
        pixels = draw.integers(0, 256, shape) if "images" in file else draw.permutation(np.arange(rows) % 10)
        header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes()
        content = header + pixels.astype(np.uint8).tobytes()
        (raw / file).write_bytes(gzip.compress(content, mtime=0))
        (raw / file).with_suffix("").write_bytes(content)
        resources.append((file, md5((raw / file).read_bytes())))
    monkeypatch.setattr(reader, "resources", resources)
    return reader


def write(root, monkeypatch, name, **options):
    return (write_cifar if name.startswith("cifar") else write_mnist)(root, monkeypatch, name, **options)


def pairs(images, labels):
    return [(np.asarray(i).tobytes(), int(k)) for i, k in zip(images, labels, strict=True)]


def joined(dataset):
    """Return train and val in a canonical order: sets of (pixels, label)."""
    both = [(dataset.train.images, dataset.train.labels), (dataset.val.images, dataset.val.labels)]
    return sorted(item for images, labels in both for item in pairs(images, labels))


@pytest.mark.parametrize("name, classes", [("cifar10", 10), ("cifar100", 20)])
def test_cifar_images_are_torchvisions_channels_first(tmp_path, monkeypatch, name, classes):
    reader = write_cifar(tmp_path, monkeypatch, name, classes=classes)
    ours = data.load(name, root=tmp_path)
    train, test = reader(tmp_path, train=True), reader(tmp_path, train=False)
    assert ours.classes == train.classes and ours.test.labels.tolist() == test.targets
    assert ours.test.images.dtype == torch.uint8 and ours.test.images.is_contiguous()
    assert np.array_equal(ours.test.images.permute(0, 2, 3, 1), test.data)
    assert joined(ours) == sorted(pairs(train.data.transpose(0, 3, 1, 2), train.targets))
    assert ours.hflip_ok


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_mnist_images_are_torchvisions_with_one_channel(tmp_path, monkeypatch, name):
    reader = write_mnist(tmp_path, monkeypatch, name)
    ours = data.load(name, root=tmp_path)
    train, test = reader(tmp_path, train=True), reader(tmp_path, train=False)
    assert torch.equal(ours.test.images[:, 0], test.data) and torch.equal(ours.test.labels, test.targets)
    assert joined(ours) == sorted(pairs(train.data, train.targets))
    assert (ours.channels, ours.image_size, ours.num_classes) == (1, 28, 10)
    assert ours.hflip_ok == (name != "mnist")


@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_root_may_be_the_set_itself_its_parent_or_the_data_folder(tmp_path, monkeypatch, name):
    write(tmp_path, monkeypatch, name)
    itself = tmp_path / ("cifar-10-batches-py" if name == "cifar10" else "MNIST/raw")
    monkeypatch.chdir(itself)
    tests = [data.load(name, root=root).test.images for root in (None, tmp_path, itself, Path("."))]
    assert all(torch.equal(tests[0], other) for other in tests[1:])


def test_another_size_is_scaled_once_and_mapped_from_then_on(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch, "cifar10")
    first = data.load("cifar10", image_size=70)
    monkeypatch.setattr(torchvision_sets, "resized", None)  # a second scaling would fail
    again = data.load("cifar10", image_size=70)
    assert first.train.images.shape[1:] == (3, 70, 70)
    assert torch.equal(first.train.images, again.train.images)
    with pytest.raises(TypeError):
        _ = again.test


@pytest.mark.parametrize(
    "name, file, change",
    [
        ("cifar10", "cifar-10-batches-py/data_batch_3", lambda content: content[:-1] + bytes([content[-1] ^ 1])),
        ("cifar100", "cifar-100-python/meta", lambda content: b""),
        ("mnist", "MNIST/raw/train-images-idx3-ubyte", lambda content: content[:-1]),
        ("mnist", "MNIST/raw/train-labels-idx1-ubyte", lambda content: b"<html>404</html>"),
        ("mnist", "MNIST/raw/train-labels-idx1-ubyte", lambda content: content[:7] + bytes([59]) + content[8:-1]),
        ("fashion_mnist", "FashionMNIST/raw/t10k-images-idx3-ubyte", lambda content: None),
    ],
)
def test_damaged_and_missing_files_are_one_sentence(tmp_path, monkeypatch, name, file, change):
    write(tmp_path, monkeypatch, name)
    assert download.is_present(name)
    content = change((tmp_path / file).read_bytes())
    (tmp_path / file).unlink() if content is None else (tmp_path / file).write_bytes(content)
    assert download.is_present(name) == (content is not None)
    with pytest.raises(LabError, match=rf"incomplete or damaged; delete .*labkit fetch {name}") as told:
        _ = data.load(name).test
    assert "\n" not in str(told.value)


def test_an_absent_set_is_one_sentence():
    with pytest.raises(LabError, match=r"cifar10 is not in .*labkit fetch cifar10.*as root") as told:
        data.load("cifar10")
    assert "\n" not in str(told.value)


def test_the_files_that_count_are_torchvisions():
    for name, reader in READERS.items():
        folder, files = download.FILES[name]
        if name.startswith("cifar"):
            known = [file for file, _ in reader.train_list + reader.test_list] + [reader.meta["filename"]]
            assert folder == reader.base_folder
        else:
            known = [file.removesuffix(".gz") for file, _ in reader.resources]
            assert folder == f"{reader.__name__}/raw"
        assert sorted(files) == sorted(known)
