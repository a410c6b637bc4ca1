"""CIFAR and MNIST files: our readers against torchvision's classes, on small files of the same format."""

import dataclasses
import gzip
import hashlib
import pickle
from importlib import import_module

import numpy as np
import pytest
import torch
import torchvision.datasets as theirs

from labkit import data
from labkit.data.sources import torchvision_files
from labkit.run_folder import LabError

fetching = import_module("labkit.data.download")  # the module: labkit.data.download itself is the function


def md5(content):
    return hashlib.md5(content).hexdigest()


@pytest.fixture(autouse=True)
def own_data(monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))


def write_cifar(root, monkeypatch, name, *, rows=40, classes=10):
    """Write random batches as CIFAR has them and let both readers expect their checksums."""
    draw = np.random.default_rng(0)
    known = getattr(torchvision_files, name.upper())
    (root / known.folder).mkdir()

    def write(file, content):
        blob = pickle.dumps(content)
        (root / known.folder / file).write_bytes(blob)
        return md5(blob)

    def batch():
        labels = draw.permutation(np.arange(rows) % classes).tolist()
        return {"data": draw.integers(0, 256, (rows, 3072), dtype=np.uint8), known.label_key: labels}

    ours = dataclasses.replace(
        known,
        train={file: write(file, batch()) for file in known.train},
        test={file: write(file, batch()) for file in known.test},
        meta={f: write(f, {known.names_key: [f"name {k}" for k in range(classes)]}) for f in known.meta},
    )
    monkeypatch.setattr(torchvision_files, name.upper(), ours)
    reference = theirs.CIFAR10 if name == "cifar10" else theirs.CIFAR100
    ((meta_file, meta_md5),) = ours.meta.items()
    monkeypatch.setattr(reference, "train_list", [list(item) for item in ours.train.items()])
    monkeypatch.setattr(reference, "test_list", [list(item) for item in ours.test.items()])
    monkeypatch.setattr(reference, "meta", {**reference.meta, "filename": meta_file, "md5": meta_md5})
    return reference


def test_cifar_without_a_stamp_is_believed_by_its_checksums(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch, "cifar10")
    assert fetching.is_present("cifar10")
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(b"")
    assert not fetching.is_present("cifar10")


IDX = {"mnist": ("MNIST", theirs.MNIST), "fashion_mnist": ("FashionMNIST", theirs.FashionMNIST)}


def write_mnist(root, monkeypatch, name, *, rows=60):
    """Write random IDX files, packed and plain (torchvision reads the plain ones)."""
    draw = np.random.default_rng(0)
    raw = root / IDX[name][0] / "raw"
    raw.mkdir(parents=True)
    archives = []
    for archive in fetching.ARCHIVES[name]:
        images = "images" in archive.file
        shape = (rows, 28, 28) if images else (rows,)
        pixels = draw.integers(0, 256, shape) if images else draw.permutation(np.arange(rows) % 10)
        header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes()
        content = header + pixels.astype(np.uint8).tobytes()
        packed = gzip.compress(content, mtime=0)
        (root / archive.file).write_bytes(packed)
        (root / archive.file).with_suffix("").write_bytes(content)
        archives.append(dataclasses.replace(archive, md5=md5(packed)))
    monkeypatch.setitem(fetching.ARCHIVES, name, tuple(archives))
    return IDX[name][1]


def pairs(images, labels):
    return [(np.asarray(i).tobytes(), int(k)) for i, k in zip(images, labels, strict=True)]


def joined(dataset):
    """Return train and val in a canonical order: sets of (pixels, label)."""
    both = [(dataset.train.images, dataset.train.labels), (dataset.val.images, dataset.val.labels)]
    return sorted(item for images, labels in both for item in pairs(images, labels))


@pytest.mark.parametrize("name, classes", [("cifar10", 10), ("cifar100", 20)])
def test_cifar_files_read_as_torchvision_reads_them(tmp_path, monkeypatch, name, classes):
    reference = write_cifar(tmp_path, monkeypatch, name, classes=classes)
    ours = data.load(name, root=tmp_path)
    train, test = reference(tmp_path, train=True), reference(tmp_path, train=False)
    assert ours.classes == train.classes and ours.test.labels.tolist() == test.targets
    assert np.array_equal(ours.test.images.permute(0, 2, 3, 1), test.data)
    assert joined(ours) == sorted(pairs(train.data.transpose(0, 3, 1, 2), train.targets))


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_files_read_as_torchvision_reads_them(tmp_path, monkeypatch, name):
    reference = write_mnist(tmp_path, monkeypatch, name)
    ours = data.load(name, root=tmp_path)
    train, test = reference(tmp_path, train=True), reference(tmp_path, train=False)
    assert torch.equal(ours.test.images[:, 0], test.data) and torch.equal(ours.test.labels, test.targets)
    assert joined(ours) == sorted(pairs(train.data, train.targets))
    assert (ours.channels, ours.image_size, ours.num_classes) == (1, 28, 10)


@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_root_may_be_the_set_itself_its_parent_or_the_data_folder(tmp_path, monkeypatch, name):
    write = write_cifar if name == "cifar10" else write_mnist
    write(tmp_path, monkeypatch, name)
    itself = tmp_path / ("cifar-10-batches-py" if name == "cifar10" else "MNIST/raw")
    tests = [data.load(name, root=root).test.images for root in (None, tmp_path, itself)]
    assert torch.equal(tests[0], tests[1]) and torch.equal(tests[0], tests[2])


def test_another_size_is_scaled_once_and_mapped_from_then_on(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch, "cifar10")
    first = data.load("cifar10", image_size=70)
    monkeypatch.setattr(torchvision_files, "resized", None)  # a second scaling would fail
    again = data.load("cifar10", image_size=70)
    assert first.train.images.shape[1:] == (3, 70, 70)
    assert torch.equal(first.train.images, again.train.images)
    with pytest.raises(TypeError):
        _ = again.test


def test_plain_idx_files_do_without_the_packed_ones(tmp_path, monkeypatch):
    write_mnist(tmp_path, monkeypatch, "mnist")
    packed = data.load("mnist").test.images
    for file in (tmp_path / "MNIST" / "raw").glob("*.gz"):
        file.unlink()
    assert torch.equal(data.load("mnist").test.images, packed)
    file = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(LabError, match=r"train-images-idx3-ubyte is cut short.*labkit fetch mnist"):
        data.load("mnist")


@pytest.mark.parametrize(
    "name, file",
    [
        ("cifar10", "cifar-10-batches-py/data_batch_3"),
        ("cifar100", "cifar-100-python/train"),
        ("mnist", "MNIST/raw/train-labels-idx1-ubyte.gz"),
    ],
)
def test_one_changed_byte_is_found_before_anything_is_unpickled(tmp_path, monkeypatch, name, file):
    (write_mnist if name == "mnist" else write_cifar)(tmp_path, monkeypatch, name)
    content = bytearray((tmp_path / file).read_bytes())
    content[-1] ^= 1
    (tmp_path / file).write_bytes(content)
    with pytest.raises(LabError, match=rf"damaged or half downloaded.*labkit fetch {name}") as told:
        data.load(name)
    assert "\n" not in str(told.value)


def test_what_is_missing_decides_the_advice(tmp_path, monkeypatch):
    with pytest.raises(LabError, match=r"cifar10 is not in .*labkit fetch cifar10"):
        data.load("cifar10")
    (tmp_path / "cifar-10-python.tar.gz.part").write_bytes(bytes(2**20))
    with pytest.raises(LabError, match=r"half downloaded \(1\.0 MiB of cifar-10-python"):
        data.load("cifar10")
    (tmp_path / "cifar-10-python.tar.gz.part").rename(tmp_path / "cifar-10-python.tar.gz")
    with pytest.raises(LabError, match="downloaded but not unpacked"):
        data.load("cifar10")
    write_cifar(tmp_path, monkeypatch, "cifar10")
    (tmp_path / "cifar-10-batches-py" / "data_batch_5").unlink()
    with pytest.raises(LabError, match="is incomplete; delete"):
        data.load("cifar10")


@pytest.mark.parametrize("content", [b"", b"\0\0\x08\x01", b"\0\0\x0d\x01\0\0\0\x01x", b"<html>404</html>"])
def test_what_is_no_idx_file_is_refused(tmp_path, content):
    with pytest.raises(LabError, match="cut short or no IDX file"):
        torchvision_files.idx(content, "mnist", tmp_path / "x")


def test_published_checksums_are_torchvisions():
    assert [*torchvision_files.CIFAR10.train.items()] == [tuple(x) for x in theirs.CIFAR10.train_list]
    assert [*torchvision_files.CIFAR100.test.items()] == [tuple(x) for x in theirs.CIFAR100.test_list]
    assert fetching.ARCHIVES["cifar100"][0].md5 == theirs.CIFAR100.tgz_md5
    for name, (_, reference) in IDX.items():
        known = [(a.file.rpartition("/")[2], a.md5) for a in fetching.ARCHIVES[name]]
        assert known == [tuple(x) for x in reference.resources]
