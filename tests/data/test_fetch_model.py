"""DINOv3 from a server on this machine that answers as the hub does: whole, broken off, refused, not there."""

import hashlib
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from labkit import data
from labkit.data import download
from labkit.data.download import REPO, REVISION, fetch_dinov3
from labkit.run_folder import DINOV3, LabError

pytest.importorskip("huggingface_hub")

TOKEN = "hf_" + "s3cret" * 5
FILES = {"config.json": b'{"model_type": "dinov3_vit"}', "model.safetensors": bytes(range(256)) * 40}


class Hub(ThreadingHTTPServer):
    """The hub: small files itself, weights by a redirect to `storage`. refuses: status for every question."""

    daemon_threads = True
    refuses = None
    stops_after = None  # bytes of the weights before the line goes dead
    content = FILES

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.url = [], f"http://127.0.0.1:{self.server_port}"
        self.storage = f"http://localhost:{self.server_port}"  # another server to a client: other name


class Handler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, *, with_body):
        hub, token = self.server, self.headers.get("Authorization")
        path = self.path.partition("?")[0]
        name, wanted = path.rpartition("/")[2], self.headers.get("Range")
        if path.startswith("/api/"):
            return self.send_error(404)  # what the client asks on its own behalf
        hub.asked.append((self.command, path, token, wanted))
        if path.startswith("/storage/"):
            return self.send(hub.content[name], wanted, stop=hub.stops_after) if with_body else None
        status = hub.refuses or (401 if token != f"Bearer {TOKEN}" else None)
        if status:
            self.send_response(status)
            if status == 403:
                self.send_header("X-Error-Code", "GatedRepo")
                self.send_header("X-Error-Message", "Access to model is restricted.")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        assert path == f"/{REPO}/resolve/{REVISION}/{name}"
        if name == "model.safetensors":
            self.send_response(302)
            self.send_header("Location", f"{hub.storage}/storage/{name}?signature=private")
            self.send_header("X-Repo-Commit", REVISION)
            self.send_header("X-Linked-Size", str(len(hub.content[name])))
            self.send_header("X-Linked-Etag", f'"{hashlib.sha256(hub.content[name]).hexdigest()}"')
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send(hub.content[name], wanted, body=with_body)

    def send(self, content, wanted, *, body=True, stop=None):
        begin = int(wanted[6:-1]) if wanted else 0
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        if body:
            self.wfile.write(content[begin:stop])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub(monkeypatch):
    server = Hub()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)  # the client's own retries
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(download, "SHA256", sums)
    yield server
    server.shutdown()
    server.server_close()


def whole(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()} == FILES


def refused(root, said, token=TOKEN):
    """Return the one sentence that fetching ends in; it never holds the token or a signed address."""
    with pytest.raises(LabError, match=said) as told:
        fetch_dinov3(root, token=token)
    text = str(told.value)
    assert "\n" not in text and TOKEN not in text and "signature" not in text
    return text


def test_the_model_is_downloaded_once_and_the_token_goes_to_the_hub_alone(hub, tmp_path):
    folder = fetch_dinov3(tmp_path, token=TOKEN)
    assert folder == tmp_path / DINOV3 and whole(folder)
    at_hub = [token for _, path, token, _ in hub.asked if not path.startswith("/storage/")]
    assert set(at_hub) == {f"Bearer {TOKEN}"}
    assert {token for _, path, token, _ in hub.asked if path.startswith("/storage/")} == {None}
    hub.asked.clear()
    fetch_dinov3(tmp_path, token=None)  # what is there needs neither a token nor a question
    assert hub.asked == []


def test_a_broken_connection_is_one_sentence_and_the_next_call_succeeds(hub, tmp_path):
    hub.stops_after = 3000
    refused(tmp_path, r"Cannot download dinov3 from .*run `labkit fetch dinov3`")
    hub.stops_after = None
    assert whole(fetch_dinov3(tmp_path, token=TOKEN))


def test_another_file_than_the_pinned_one_is_refused(hub, tmp_path):
    hub.content = FILES | {"model.safetensors": b"something else"}
    refused(tmp_path, r"model\.safetensors is not the model\.safetensors of .*delete it and run")


def test_somebodys_own_file_is_not_written_over(hub, tmp_path):
    own = tmp_path / DINOV3 / "model.safetensors"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"fine-tuned for weeks")
    refused(tmp_path, r"is not the model\.safetensors of .*delete it and run")
    assert own.read_bytes() == b"fine-tuned for weeks" and hub.asked == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, r"refuses this HF_TOKEN \(401.*https://huggingface\.co/settings/tokens"),
        (403, r"no access to dinov3 yet \(403\): visit https://huggingface\.co/facebook/dinov3-vits16.*accept"),
        (404, r"no facebook/dinov3.* at revision 114c1379 \(404\)"),
        (503, "The hub answers 503"),
    ],
)
def test_each_refusal_of_the_hub_is_its_own_sentence(status, said, hub, tmp_path):
    hub.refuses = status
    refused(tmp_path, said)
    assert not [file for file in (tmp_path / DINOV3).iterdir() if file.is_file()]


def test_a_wrong_token_is_refused_by_the_hub(hub, tmp_path):
    refused(tmp_path, "refuses this HF_TOKEN", token="hf_wrong")


@pytest.mark.parametrize("token", ["hf_a b", "hf_\u00fc", "hf_a\nb"])
def test_a_token_that_no_header_can_hold_is_not_shown(token, hub, tmp_path):
    assert token not in refused(tmp_path, "HF_TOKEN is no token", token=token)
    assert hub.asked == []


def test_a_token_with_the_newline_of_its_file_is_taken(hub, tmp_path):
    assert whole(fetch_dinov3(tmp_path, token=f" {TOKEN}\n"))


def test_no_network_is_one_sentence_that_names_the_login_node(hub, tmp_path, monkeypatch):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, not listening: a refused connection
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        refused(tmp_path, r"Cannot download dinov3 from http://127\.0\.0\.1:\d+ .*e\.g\. a login node")


def test_a_place_that_cannot_be_written_is_one_sentence(hub, tmp_path):
    (tmp_path / "data").write_text("a file, not a folder")
    refused(tmp_path / "data", r"Cannot write .*is a file; name a folder with LABKIT_DATA")


def command(tmp_path, **variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    private = {"LABKIT_DATA": str(tmp_path), "HF_HOME": str(tmp_path / "home")}
    return subprocess.run(
        [sys.executable, "-m", "labrun.cli", "fetch", "dinov3"],
        text=True,
        capture_output=True,
        env=kept | private | variables,
    )


def test_the_command_says_how_to_get_a_token(tmp_path, monkeypatch):
    done = command(tmp_path, HF_TOKEN="", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "labkit: dinov3 needs a Hugging Face token" in done.stderr and ".env.template" in done.stderr


@pytest.mark.parametrize(("status", "said"), [(None, "refuses this HF_TOKEN"), (403, "no access to dinov3")])
def test_the_command_ends_in_one_sentence_without_the_token(status, said, hub, tmp_path):
    hub.refuses = status
    token = TOKEN if status else "hf_revoked_" + "x" * 20
    done = command(tmp_path, HF_TOKEN=token, HF_ENDPOINT=hub.url)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
    assert token not in done.stdout + done.stderr


def test_the_model_is_one_of_the_names_to_fetch(hub, tmp_path, monkeypatch):
    with pytest.raises(LabError, match="Did you mean dinov3"):
        data.fetch("dinov2")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert whole(data.fetch("dinov3", tmp_path))
