"""Downloads from a real server on this machine: whole, broken off, wrong, and not there at all."""

import hashlib
import io
import pickle
import shutil
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from labkit import data
from labkit.data import download
from labkit.data.sources.torchvision_sets import READERS
from labkit.run_folder import LabError


def zip_of(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def md5(content):
    return hashlib.md5(content).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `content` by the last part of the path; stops_after: bytes sent before the line goes dead."""

    daemon_threads = True
    stops_after = None

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.asked, self.url = {}, [], f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.rpartition("/")[2]
        self.server.asked.append(name)
        if name not in self.server.content:
            return self.send_error(404)
        content = self.server.content[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.server.stops_after])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def cifar(server, monkeypatch):
    """A CIFAR-10 of a few images at the server."""
    reader = READERS["cifar10"]
    batch = pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1]})
    names = pickle.dumps({"label_names": ["a", "b"]})
    files = {file: batch for file, _ in reader.train_list + reader.test_list} | {"batches.meta": names}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for file, content in files.items():
            info = tarfile.TarInfo(f"{reader.base_folder}/{file}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    server.content[reader.filename] = stream.getvalue()
    for part in ("train_list", "test_list"):
        monkeypatch.setattr(reader, part, [[file, md5(batch)] for file, _ in getattr(reader, part)])
    monkeypatch.setattr(reader, "meta", reader.meta | {"md5": md5(names)})
    monkeypatch.setattr(reader, "tgz_md5", md5(stream.getvalue()))
    monkeypatch.setattr(reader, "url", server.url + reader.filename)
    return server


TINY = {f"tiny-imagenet-200/{part}": b"x" for part in ("wnids.txt", "words.txt", "train/n1/images/a.JPEG")}
TINY |= {f"tiny-imagenet-200/val/{part}": b"y" for part in ("images/b.JPEG", "val_annotations.txt")}


@pytest.fixture
def tiny(server, monkeypatch):
    """A Tiny-ImageNet of two files at the server."""
    server.content["tiny-imagenet-200.zip"] = zip_of(TINY)
    monkeypatch.setattr(download, "TINY_URL", server.url + "tiny-imagenet-200.zip")
    monkeypatch.setattr(download, "TINY_MD5", md5(zip_of(TINY)))
    return server


def refused(name, root, match):
    """Return the one sentence that fetching ends in."""
    with pytest.raises(LabError, match=match) as told:
        data.fetch(name, root)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_cifar_is_downloaded_unpacked_and_readable_and_not_asked_for_again(cifar, tmp_path):
    root = tmp_path / "data"
    assert not download.is_present("cifar10", root)
    assert data.fetch("cifar10", root) == root and download.is_present("cifar10", root)
    assert data.load("cifar10", root=root, val_fraction=0).classes == ["a", "b"]
    asked = len(cifar.asked)
    data.fetch("cifar10", root)
    assert asked > 0 and len(cifar.asked) == asked


def test_a_damaged_cifar_is_fetched_anew(cifar, tmp_path):
    data.fetch("cifar10", tmp_path)
    (tmp_path / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"")
    data.fetch("cifar10", tmp_path)
    assert len(data.load("cifar10", root=tmp_path, val_fraction=0).train) == 10


def test_a_broken_connection_is_one_sentence_and_the_next_call_succeeds(cifar, tmp_path):
    cifar.stops_after = 100
    refused("cifar10", tmp_path, r"Cannot download cifar10 .*run `labkit fetch cifar10` again")
    assert not download.is_present("cifar10", tmp_path)
    cifar.stops_after = None
    data.fetch("cifar10", tmp_path)
    assert download.is_present("cifar10", tmp_path)


def test_a_wrong_checksum_is_one_sentence_and_nothing_is_unpacked(cifar, tmp_path):
    cifar.content["cifar-10-python.tar.gz"] += b"!"
    refused("cifar10", tmp_path, r"Cannot download cifar10 \(.*corrupted\); run `labkit fetch cifar10` again")
    assert not (tmp_path / "cifar-10-batches-py").exists()


def test_no_network_is_one_sentence_that_names_the_login_node(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(READERS["cifar10"], "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")  # nobody listens there
    monkeypatch.setattr(READERS["mnist"], "mirrors", ["http://127.0.0.1:9/", "http://127.0.0.1:9/"])
    for name in ("cifar10", "mnist"):
        refused(name, tmp_path, rf"Cannot download {name} .*refused.* e.g. a login node")


def test_tiny_imagenet_is_there_only_once_it_is_whole(tiny, tmp_path, monkeypatch):
    data.fetch("tiny_imagenet", tmp_path)
    assert download.is_present("tiny_imagenet", tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tiny-imagenet-200", "tiny-imagenet-200.zip"]
    asked = len(tiny.asked)
    data.fetch("tiny_imagenet", tmp_path)
    assert len(tiny.asked) == asked
    (tmp_path / "tiny-imagenet-200" / "words.txt").unlink()
    refused("tiny_imagenet", tmp_path, r"incomplete or damaged; delete .*tiny-imagenet-200 and run")
    shutil.rmtree(tmp_path / "tiny-imagenet-200")

    def stop(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download.os, "replace", stop)
    refused("tiny_imagenet", tmp_path, r"Cannot write .*: the disk \(or your quota\) is full")
    assert [p.name for p in tmp_path.iterdir()] == ["tiny-imagenet-200.zip"]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "data").write_text("a file, not a folder")
    refused("cifar10", tmp_path / "data", r"Cannot write .*data: it, or a folder above it, is a file.*LABKIT_DATA")


def test_presence_of_embedded_and_unknown_names():
    assert download.is_present("shapes")
    with pytest.raises(LabError, match="cifar10"):
        download.is_present("cifar")


@pytest.mark.parametrize(
    "name, said",
    [("shapes", "needs no download"), ("folder", "its path"), ("cifar", "cifar10"), ("x", "Valid: cifar10")],
)
def test_names_that_cannot_be_fetched(name, said):
    with pytest.raises(LabError, match=said):
        data.fetch(name)


@pytest.mark.parametrize(
    "values, told",
    [
        ({"dataset": "folder", "data_dir": ""}, "dataset=folder needs data_dir=PATH"),
        ({"dataset": "medium_imagenet"}, "where its .hdf5 file lies"),
        ({"dataset": "cifar10", "data_dir": ""}, "labkit fetch cifar10"),
        (
            {"dataset": "shapes", "pretrain_dataset": "folder", "pretrain_dir": ""},
            "pretrain_dataset=folder needs pretrain_dir=PATH",
        ),
        ({"pretrain_dataset": "tiny_imagenet"}, "labkit fetch tiny_imagenet"),
    ],
)
def test_a_run_whose_data_is_not_there_is_refused_with_the_next_step(values, told, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    with pytest.raises(LabError, match=told):
        download.require(values)
    told_where = values | {"data_dir": "/some", "pretrain_dir": "/where"}
    for fine in ({}, {"dataset": "shapes"}, told_where, {"dataset": None}):
        download.require(fine)
