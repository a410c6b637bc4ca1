"""Downloads from a real server on this machine: whole, resumed, broken off, wrong, and not there at all."""

import hashlib
import io
import tarfile
import threading
import zipfile
from http.client import BadStatusLine
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module

import pytest

from labkit import data
from labkit.run_folder import LabError

fetching = import_module("labkit.data.download")  # the module: labkit.data.download itself is the function


def tar_of(files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def zip_of(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


FILES = {"toy/a.bin": bytes(range(256)) * 400, "toy/b.txt": b"hello"}
TAR = tar_of(FILES)


class Server(ThreadingHTTPServer):
    """Serves `content`; ranges: answers Range requests; stops_after: bytes sent before the line goes dead."""

    daemon_threads = True
    content, ranges, stops_after = TAR, True, None

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_port}/toy.tar.gz"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        wanted, content = self.headers.get("Range"), self.server.content
        self.server.asked.append(wanted)
        begin = int(wanted[6:-1]) if wanted and self.server.ranges else 0
        if begin >= len(content):
            return self.send_error(416)
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        self.wfile.write(content[begin : self.server.stops_after])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    publish(monkeypatch, TAR, server.url)
    yield server
    server.shutdown()
    server.server_close()


def publish(monkeypatch, content, *urls, makes="toy", file="toy.tar.gz"):
    md5 = hashlib.md5(content).hexdigest()
    monkeypatch.setitem(fetching.ARCHIVES, "toy", (fetching.Archive(file, md5, urls, makes),))


def whole(root):
    there = {f"toy/{p.name}": p.read_bytes() for p in (root / "toy").iterdir()}
    return there.pop(f"toy/{fetching.STAMP}", None) is not None and there == FILES


def leftovers(root):
    return sorted(p.name for p in root.iterdir() if p.name not in ("toy", "toy.tar.gz"))


def test_an_archive_is_downloaded_and_unpacked_once(server, tmp_path):
    root = tmp_path / "data"
    assert data.fetch("toy", root) == root and whole(root) and leftovers(root) == []
    data.fetch("toy", root)
    assert server.asked == [None]  # what is there is not asked for again


def test_a_folder_counts_only_when_it_is_complete(server, tmp_path):
    assert not fetching.is_present("toy", tmp_path)
    (tmp_path / "toy").mkdir()
    assert not fetching.is_present("toy", tmp_path)
    data.fetch("toy", tmp_path)  # an empty folder is filled
    assert whole(tmp_path) and fetching.is_present("toy", tmp_path)
    (tmp_path / "toy" / fetching.STAMP).unlink()
    assert not fetching.is_present("toy", tmp_path)
    with pytest.raises(LabError, match=r"toy in .* is incomplete; delete .*toy and run"):
        data.fetch("toy", tmp_path)  # somebody's files are not written over


def test_presence_of_embedded_and_unknown_names():
    assert fetching.is_present("shapes")
    with pytest.raises(LabError, match="cifar10"):
        fetching.is_present("cifar")


def test_a_server_that_talks_nonsense_is_one_sentence(tmp_path, monkeypatch):
    def answer(*arguments, **options):
        raise BadStatusLine("nonsense")

    monkeypatch.setattr("urllib.request.urlopen", answer)
    publish(monkeypatch, TAR, "http://127.0.0.1:9/toy.tar.gz")
    with pytest.raises(LabError, match=r"Cannot download .*nonsense"):
        data.fetch("toy", tmp_path)


def test_a_file_that_needs_no_unpacking_stays_as_it_is(server, tmp_path, monkeypatch):
    publish(monkeypatch, TAR, server.url, makes=None, file="deep/er/toy.gz")
    data.fetch("toy", tmp_path)
    data.fetch("toy", tmp_path)
    assert (tmp_path / "deep/er/toy.gz").read_bytes() == TAR and server.asked == [None]


def test_a_zip_is_unpacked_too(server, tmp_path, monkeypatch):
    server.content = zip_of(FILES)
    publish(monkeypatch, server.content, server.url)
    data.fetch("toy", tmp_path)
    assert whole(tmp_path)


def test_a_broken_connection_keeps_what_came_and_the_next_call_asks_for_the_rest(server, tmp_path):
    server.stops_after = 300
    with pytest.raises(LabError, match=r"MiB so far are kept; run `labkit fetch toy` on a") as t:
        data.fetch("toy", tmp_path)
    assert "\n" not in str(t.value) and not (tmp_path / "toy.tar.gz").exists()
    assert (tmp_path / "toy.tar.gz.part").read_bytes() == TAR[:300]
    server.stops_after = None
    data.fetch("toy", tmp_path)
    assert server.asked == [None, "bytes=300-"] and whole(tmp_path) and leftovers(tmp_path) == []


@pytest.mark.parametrize("ranges", [True, False])
def test_somebodys_own_half_download_is_continued_or_begun_again(server, tmp_path, ranges):
    server.ranges = ranges
    (tmp_path / "toy.tar.gz").write_bytes(TAR[:500])
    data.fetch("toy", tmp_path)
    assert server.asked == ["bytes=500-"] and whole(tmp_path)


def test_a_complete_part_only_has_to_be_renamed(server, tmp_path):
    (tmp_path / "toy.tar.gz.part").write_bytes(TAR)
    data.fetch("toy", tmp_path)
    assert whole(tmp_path)


@pytest.mark.parametrize("part", [b"", b"x" * 500])
def test_a_wrong_checksum_deletes_the_file_and_says_so(server, tmp_path, monkeypatch, part):
    if part:  # a half download of something else
        (tmp_path / "toy.tar.gz.part").write_bytes(part)
    else:  # the server has something else
        publish(monkeypatch, b"something else", server.url)
    with pytest.raises(LabError, match=r"has checksum .* instead of .*run `labkit fetch toy` again") as told:
        data.fetch("toy", tmp_path)
    assert "\n" not in str(told.value) and list(tmp_path.iterdir()) == []


def test_no_network_is_one_sentence_that_names_the_login_node(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    publish(monkeypatch, TAR, "http://127.0.0.1:9/toy.tar.gz")  # nobody listens there
    with pytest.raises(LabError, match=r"Cannot download .* e.g. a login node") as told:
        data.fetch("toy", tmp_path)
    assert "\n" not in str(told.value)


def test_the_second_mirror_is_tried(server, tmp_path, monkeypatch):
    publish(monkeypatch, TAR, "http://127.0.0.1:9/toy.tar.gz", server.url)
    data.fetch("toy", tmp_path)
    assert whole(tmp_path)


def test_an_archive_never_leaves_half_a_folder_nor_writes_outside(server, tmp_path, monkeypatch):
    for content in (tar_of({"other/a": b"1"}), tar_of({"../escaped": b"1"}), b"no archive at all"):
        server.content = content
        publish(monkeypatch, content, server.url)
        with pytest.raises(LabError, match="delete it and run `labkit fetch toy` again"):
            data.fetch("toy", tmp_path / "data")
        assert leftovers(tmp_path / "data") == [] and not (tmp_path / "data" / "toy").exists()
        (tmp_path / "data" / "toy.tar.gz").unlink()
    assert not (tmp_path / "escaped").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(server, tmp_path):
    (tmp_path / "data").write_text("a file, not a folder")
    with pytest.raises(LabError, match=r"Cannot write toy to .*data is a file, not a folder: choose another"):
        data.fetch("toy", tmp_path / "data")


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
def test_a_run_whose_data_is_not_there_is_told_what_to_do(values, told, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    with pytest.raises(LabError, match=told):
        fetching.require(values)
    told_where = values | {"data_dir": "/some", "pretrain_dir": "/where"}
    for fine in ({}, {"dataset": "shapes"}, told_where, {"dataset": None}):
        fetching.require(fine)
