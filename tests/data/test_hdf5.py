"""HDF5 sets: streamed reads against the array they came from, in this process and after a fork."""

import fcntl
import os
import pickle
import select
import signal

import h5py
import numpy as np
import pytest
import torch

from labkit import data
from labkit.data.batches import Batches
from labkit.data.sources.hdf5 import HDF5Images
from labkit.run_folder import LabError

COUNTS = {"train": 40, "val": 10, "test": 12}


@pytest.fixture(autouse=True)
def own_data(monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path / "data"))


@pytest.fixture
def arrays():
    draw = np.random.default_rng(0)
    images = {f"images-{k}": draw.integers(0, 256, (n, 3, 24, 24), dtype=np.uint8) for k, n in COUNTS.items()}
    return images | {f"labels-{k}": np.arange(n) % 5 for k, n in COUNTS.items() if k != "test"}


def write(path, arrays, *, without=(), channels_last=False):
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            if key not in without:
                last = channels_last and key.startswith("images")
                file[key] = array.transpose(0, 2, 3, 1) if last else array
    return path


@pytest.fixture
def path(tmp_path, arrays):
    return write(tmp_path / "medium-24.hdf5", arrays)


@pytest.mark.parametrize("channels_last", [False, True])
def test_any_index_reads_what_the_array_holds(tmp_path, arrays, channels_last):
    path = write(tmp_path / "x.h5", arrays, channels_last=channels_last)
    images, truth = HDF5Images(path, "images-train"), torch.from_numpy(arrays["images-train"])
    assert images.shape == truth.shape and len(images) == 40
    some = (torch.tensor([7, 2, 2, 39]), torch.tensor(4))
    for at in (0, -1, slice(3, 30, 4), slice(5, 9), slice(0, 0), *some):
        assert torch.equal(images[at], truth[at])


def test_splits_come_from_the_file_and_test_is_unlabelled(path, arrays):
    d = data.load("medium_imagenet", root=path, val_fraction=0.5)
    assert (len(d.train), len(d.val), len(d.test)) == (40, 10, 12)
    assert d.num_classes == 5 and d.test.labels is None
    assert torch.equal(d.val.labels, torch.from_numpy(arrays["labels-val"]))
    assert torch.equal(d.test.images[:], torch.from_numpy(arrays["images-test"]))
    pixels = arrays["images-train"] / 255
    assert np.allclose(d.mean, pixels.mean((0, 2, 3))) and np.allclose(d.std, pixels.std((0, 2, 3)))


def test_limit_and_image_size_are_served_by_index(path):
    d = data.load("medium_imagenet", root=path.parent, limit=25, image_size=16)
    assert (len(d.train), len(d.val)) == (20, 5) and d.image_size == 16
    assert d.train.labels.bincount().tolist() == [4] * 5
    assert d.train.images[torch.tensor([3, 1])].shape == (2, 3, 16, 16)


def test_a_forked_process_opens_its_own_handle(path, arrays):
    images = HDF5Images(path, "images-train")
    assert images._opened is None  # nothing is open until the first read
    _ = images[0]
    parents = images._opened
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        torch.set_num_threads(1)  # as a DataLoader's worker does: OpenMP's threads do not survive a fork
        right = torch.equal(images[torch.tensor([9, 4])], torch.from_numpy(arrays["images-train"][[9, 4]]))
        own = images._opened[0] == os.getpid() and images._opened is not parents
        os.write(writer, b"y" if right and own else b"n")
        os._exit(0)
    answered, _, _ = select.select([reader], [], [], 60)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert answered and os.read(reader, 1) == b"y"
    assert images._opened is parents


def test_a_pickled_set_carries_no_handle(path, arrays):
    images = HDF5Images(path, "images-train")
    _ = images[0]
    copy = pickle.loads(pickle.dumps(images))
    assert copy._opened is None and torch.equal(copy[5], torch.from_numpy(arrays["images-train"][5]))


def test_worker_processes_stream_every_image_once(path, arrays):
    split = data.load("medium_imagenet", root=path).train
    batches = Batches.evaluation(split, 16, device="cpu", resident=False, workers=2)
    seen = torch.cat([batch.images for batch in batches.epoch(0)])
    assert torch.equal((seen * 255).round().to(torch.uint8), torch.from_numpy(arrays["images-train"]))


@pytest.mark.parametrize("key", ["images-train", "labels-train", "images-val", "labels-val"])
def test_a_missing_key_is_one_sentence(tmp_path, arrays, key):
    path = write(tmp_path / "x.h5", arrays, without=(key,))
    with pytest.raises(LabError, match=f"has no array '{key}', only .*images-test") as told:
        data.load("medium_imagenet", root=path)
    assert "\n" not in str(told.value)


def test_missing_test_images_are_told_when_they_are_asked_for(tmp_path, arrays):
    d = data.load("medium_imagenet", root=write(tmp_path / "x.h5", arrays, without=("images-test",)))
    with pytest.raises(LabError, match="has no array 'images-test'"):
        _ = d.test


def test_wrong_files_are_one_sentence(tmp_path, arrays, path):
    (tmp_path / "cut.h5").write_bytes(path.read_bytes()[:5000])
    floats = arrays | {"images-train": arrays["images-train"] / 255}
    short = arrays | {"labels-train": arrays["labels-train"][:7]}
    for root, options, said in [
        (None, {}, "needs its path"),
        (tmp_path / "none.h5", {}, "does not exist"),
        (tmp_path / "cut.h5", {}, "cut short or no HDF5 file"),
        (write(tmp_path / "float.h5", floats), {}, "expected uint8"),
        (write(tmp_path / "short.h5", short), {}, "40 images but 7 labels"),
        (
            path,
            {"num_classes": 3},
            r"Label 3 of the train split of medium_imagenet .image 3; 16 such labels. is outside 0\.\.2",
        ),
        (tmp_path, {}, r"holds \d HDF5 files; pass the path of one"),
    ]:
        with pytest.raises(LabError, match=said) as told:
            data.load("medium_imagenet", root=root, **options)
        assert str(told.value).count("\n") == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda k: np.eye(5)[k], r"float64 \(40, 5\); expected one whole number .*argmax"),
        (lambda k: np.eye(5, dtype=np.int64)[k], r"int64 \(40, 5\); expected one whole number"),
        (lambda k: k + 0.5, "expected one whole number"),
        (lambda k: np.where(k > 0, k, np.nan), "expected one whole number"),
        (lambda k: np.array([f"class {i}" for i in k], dtype="S"), "number the names of classes"),
        (lambda k: np.int64(3), r"\(\); expected one whole number|40 images but 1"),
        (lambda k: k + 1, "labels of train begin at 1, not 0; subtract 1"),
        (lambda k: k - 1, "Label -1 of the train"),
    ],
)
def test_labels_that_are_no_class_numbers_are_one_sentence(tmp_path, arrays, change, said):
    labels = change(arrays["labels-train"])
    path = write(tmp_path / "x.h5", arrays | {"labels-train": labels})
    with pytest.raises(LabError, match=said) as told:
        data.load("medium_imagenet", root=path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("change", [lambda k: k.astype(float), lambda k: k[:, None], lambda k: k.astype(np.uint8)])
def test_whole_numbers_of_any_type_are_labels(tmp_path, arrays, change):
    labels = change(arrays["labels-train"])
    d = data.load("medium_imagenet", root=write(tmp_path / "x.h5", arrays | {"labels-train": labels}))
    assert torch.equal(d.train.labels, torch.from_numpy(arrays["labels-train"]))


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        ("[Errno 11] Unable to synchronously open file (unable to lock file, errno = 11)", "HDF5_USE_FILE_LOCKING"),
        ("[Errno 37] Unable to open file (unable to lock file, errno = 37, 'No locks available')", "no locks exist"),
        ("Unable to open file (file is already open for write)", "program that writes it"),
        ("[Errno 13] Unable to open file (Permission denied)", "cannot be opened .*Permission denied"),
    ],
)
def test_a_file_that_is_whole_but_cannot_be_opened_names_the_cause(path, monkeypatch, cause, said):
    def refuse(*_):
        raise OSError(cause)

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(LabError, match=said) as told:
        data.load("medium_imagenet", root=path)
    assert "copy it again" not in str(told.value)


def test_a_locked_file_is_said_to_be_locked(path):
    with open(path, "rb+") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        with pytest.raises(LabError, match="HDF5_USE_FILE_LOCKING=FALSE"):
            data.load("medium_imagenet", root=path)


def test_a_group_is_no_array_and_a_companion_no_file(tmp_path, arrays):
    (tmp_path / "set").mkdir()
    path = write(tmp_path / "set" / "x.H5", arrays)
    (path.parent / "._x.h5").write_bytes(b"Mac OS X")
    assert len(data.load("medium_imagenet", root=path.parent).train) == 40
    with h5py.File(path, "a") as file:
        del file["labels-val"]
        file.create_group("labels-val")
    with pytest.raises(LabError, match="no array 'labels-val'"):
        data.load("medium_imagenet", root=path)
