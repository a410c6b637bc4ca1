"""Download data sets and DINOv3 where there is a network: by torchvision's readers and the Hugging Face client."""

import hashlib
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import URLError

from labkit.run_folder import DINOV3, LabError, data_dir, unknown_name, write_error

TIMEOUT_S = 30  # without a byte from the server
EMBEDDED = ("digits", "shapes")
BY_PATH = {"folder": "tree of one folder of images per class", "medium_imagenet": ".hdf5 file"}
IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
TINY = ("wnids.txt", "words.txt", "train", "val/images", "val/val_annotations.txt")
# The folder that each set leaves in the data folder, and the files in it; what they hold is checked by `load`.
FILES = {
    "cifar10": ("cifar-10-batches-py", (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta")),
    "cifar100": ("cifar-100-python", ("train", "test", "meta")),
    "mnist": ("MNIST/raw", IDX),
    "fashion_mnist": ("FashionMNIST/raw", IDX),
    "tiny_imagenet": ("tiny-imagenet-200", TINY),
}
TINY_URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
TINY_MD5 = "90528d7ca1a48142e341f4ef8d21d0de"  # of the course's own archive

REPO = "facebook/dinov3-vits16-pretrain-lvd1689m"
REVISION = "114c1379950215c8b35dfcd4e90a5c251dde0d32"
PAGE, TOKENS_PAGE = f"https://huggingface.co/{REPO}", "https://huggingface.co/settings/tokens"
SHA256 = {  # of the files of REVISION; the weights last (86 MB): the small one shows whether access is granted
    "config.json": "9481247be9f95a134a5599402b4bfc838eecdf9a7fffbf4debd1c70ec213898b",
    "model.safetensors": "4610ad75edef83e75afdebf162d148dc628045ea6cbb83d67d4708c709c4f91d",
}


def fetch(name: str, root: str | Path | None = None) -> Path:
    """Download and unpack a data set (or "dinov3") into `root` (default: the data folder); return its folder.

    What is there and whole is left alone. Raises LabError where there is no network, no space, no access or a
    wrong checksum.
    """
    if name in EMBEDDED or name in BY_PATH:
        how = "as it is" if name in EMBEDDED else "with its path as root (in a notebook: data_dir)"
        raise LabError(f"{name} needs no download: load it {how}.")
    if name not in FILES and name != "dinov3":
        raise unknown_name("data set to fetch", name, [*FILES, "dinov3"])
    folder = Path(root).expanduser() if root else data_dir()
    if name == "dinov3":
        return fetch_dinov3(folder)
    with _explained(name, folder):
        if name == "tiny_imagenet":
            _fetch_tiny_imagenet(folder)
        else:
            from labkit.data.sources.torchvision_sets import READERS

            for train in (True, False):  # the reader checks what it has, and downloads what is missing
                READERS[name](folder, train=train, download=True)
    return folder


@contextmanager
def _explained(name: str, folder: Path) -> Iterator[None]:
    """Raise LabError in place of what goes wrong with the network, the disk or the files."""
    again = f"run `labkit fetch {name}` again, on a machine with a network, e.g. a login node"
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_S)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except LabError:
        raise
    except (URLError, HTTPException, ConnectionError, TimeoutError) as error:
        raise LabError(f"Cannot download {name} ({error}); {again}.") from error
    except OSError as error:
        raise write_error(folder, error, variable="LABKIT_DATA") from error
    except RuntimeError as error:  # torchvision's: no mirror answers, or a checksum is wrong
        reason = str(error).strip().splitlines()[-1].rstrip(".")
        raise LabError(f"Cannot download {name} ({reason}); {again}.") from error
    except (AssertionError, EOFError, ValueError) as error:  # torchvision's, of a file that is cut short
        raise unusable(name, folder) from error
    finally:
        socket.setdefaulttimeout(before)


def _fetch_tiny_imagenet(root: Path) -> None:
    """Unpack beside the goal, then rename: the folder is there only once it is whole."""
    from torchvision.datasets.utils import download_and_extract_archive

    if is_present("tiny_imagenet", root):
        return
    goal = root / FILES["tiny_imagenet"][0]
    if goal.is_dir() and any(goal.iterdir()):
        raise unusable("tiny_imagenet", root)
    temporary = root / f".unpacking-{goal.name}-{os.getpid()}"
    try:
        download_and_extract_archive(TINY_URL, root, temporary, md5=TINY_MD5)
        os.replace(temporary / goal.name, goal)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_present(name: str, root: str | Path | None = None) -> bool:
    """Return whether a set's files are in `root` (default: the data folder). Raises LabError for an unknown name."""
    if name in EMBEDDED:
        return True
    if name not in FILES:
        raise unknown_name("data set to fetch", name, FILES)
    folder, files = FILES[name]
    place = (Path(root).expanduser() if root else data_dir()) / folder
    return all((place / file).exists() for file in files)


def require(values: dict) -> None:
    """Raise LabError where a run's data sets want a path or a download first; the rest is left to `load`."""
    for parameter, place in (("dataset", "data_dir"), ("pretrain_dataset", "pretrain_dir")):
        name = values.get(parameter)
        if values.get(place) or not isinstance(name, str):
            continue
        if name in BY_PATH:
            raise LabError(f"{parameter}={name} needs {place}=PATH: where its {BY_PATH[name]} lies.")
        if name in FILES and not is_present(name):
            raise LabError(f"{name} is not in {data_dir()}: run `labkit fetch {name}` (login node) first.")


def unusable(name: str, root: Path) -> LabError:
    """Return the sentence for a data set that is not in root, or is incomplete or damaged there."""
    folder, again = root / FILES[name][0], f"run `labkit fetch {name}` on a login node"
    if folder.is_dir():
        return LabError(f"{name} in {root} is incomplete or damaged; delete {folder} and {again}.")
    there = "pass the folder that holds it as root (in a notebook: data_dir)"
    return LabError(f"{name} is not in {root}; {again}, or {there}.")


def fetch_dinov3(root: Path, *, token: str | None = None) -> Path:
    """Download DINOv3 ViT-S/16 into `root`, below models/, at one pinned revision; return its own folder.

    token: of Hugging Face; None: HF_TOKEN, or what `hf auth login` has saved. What is there and whole is left
    alone and needs no token. Raises LabError as `fetch` does.
    """
    folder = root / DINOV3
    missing = [name for name in SHA256 if not (folder / name).is_file()]
    for name in (name for name in SHA256 if name not in missing):
        _require_pinned(folder / name)
    if not missing:
        return folder
    import huggingface_hub  # it comes with transformers

    token = (token or huggingface_hub.get_token() or "").strip()
    if not token:
        raise LabError(
            f"dinov3 needs a Hugging Face token: make one at {TOKENS_PAGE}, accept the license at {PAGE}, "
            f"put HF_TOKEN=... into .env (cp .env.template .env) and run `labkit fetch dinov3` again."
        )
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise LabError(
            f"HF_TOKEN is no token (it has a space or another odd character): copy it again from {TOKENS_PAGE}."
        )
    endpoint = os.environ.get("HF_ENDPOINT") or None  # a mirror; the client reads it only when it is imported
    place: dict[str, Any] = {"revision": REVISION, "endpoint": endpoint, "local_dir": folder}
    with _explained("dinov3", folder):
        for name in missing:
            try:
                huggingface_hub.hf_hub_download(REPO, name, token=token, etag_timeout=TIMEOUT_S, **place)
            except Exception as error:  # which one depends on the client's version and on the network's way to fail
                if getattr(error, "errno", None):
                    raise  # the disk's
                raise _refusal(error, endpoint or "https://huggingface.co") from error
            _require_pinned(folder / name)
    return folder


def _require_pinned(file: Path) -> None:
    """Raise LabError unless the file is the one of REVISION; another one is not written over."""
    with open(file, "rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != SHA256[file.name]:
        raise LabError(
            f"{file} is not the {file.name} of {REPO} at revision {REVISION[:8]}; if it is a broken copy, "
            f"delete it and run `labkit fetch dinov3` again, else choose another root."
        )


def _refusal(error: Exception, hub: str) -> LabError:
    """Return the sentence for the hub's answer, or for its silence."""
    again, cause = "then run `labkit fetch dinov3` again", error.__cause__ or error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    reason = (str(cause).splitlines() or [""])[0].partition("?")[0] or type(cause).__name__  # no signed address
    answers = {
        None: f"Cannot download dinov3 from {hub} ({reason}); run `labkit fetch dinov3` on a machine with "
        "a network, e.g. a login node.",
        401: "Hugging Face refuses this HF_TOKEN (401: wrong, expired or revoked): make a new one at "
        f"{TOKENS_PAGE}, {again}.",
        403: f"Your Hugging Face account has no access to dinov3 yet (403): visit {PAGE}, accept the license and wait "
        f"for the approval (a fine-grained token must also allow gated repositories), {again}.",
        404: f"The hub has no {REPO} at revision {REVISION[:8]} (404): look at {PAGE}, and at HF_ENDPOINT if you set "
        "it.",
    }
    return LabError(answers.get(status, f"The hub answers {status} for {REPO}: wait a while, {again}."))
