"""Download a data set where there is a network (a login node): resumed, checksummed, put in place at once."""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from labkit.data.progress import watched
from labkit.run_folder import LabError, data_dir, unknown_name

CHUNK_BYTES = 2**20
TIMEOUT_S = 30
EMBEDDED = ("digits", "shapes")
BY_PATH = {"folder": "tree of one folder of images per class", "medium_imagenet": ".hdf5 file"}
STAMP = "complete.md5"  # in an unpacked folder: the checksum of the archive that it was unpacked from
TINY_PARTS = ("wnids.txt", "words.txt", "train", "val/images", "val/val_annotations.txt")


@dataclass(frozen=True)
class Archive:
    """One file to download: `file` and `makes` are relative to the root.

    makes: the folder that unpacking leaves, or None where the file is read as it is.
    """

    file: str
    md5: str
    urls: tuple[str, ...]
    makes: str | None = None


def _idx_files(folder: str, mirrors: tuple[str, ...], sums: tuple[str, str, str, str]) -> tuple[Archive, ...]:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    files = [f"{name}-ubyte.gz" for name in names]
    return tuple(
        Archive(f"{folder}/raw/{file}", md5, tuple(mirror + file for mirror in mirrors))
        for file, md5 in zip(files, sums, strict=True)
    )


def _cifar(number: int, md5: str, makes: str) -> tuple[Archive, ...]:
    file = f"cifar-{number}-python.tar.gz"
    return (Archive(file, md5, (f"https://www.cs.toronto.edu/~kriz/{file}",), makes),)


# Checksums as torchvision 0.29 has them; Tiny-ImageNet's is the one widely used for the course's own archive.
ARCHIVES = {
    "cifar10": _cifar(10, "c58f30108f718f92721af3b95e74349a", "cifar-10-batches-py"),
    "cifar100": _cifar(100, "eb9058c3a382ffc7106e4002c42a8d85", "cifar-100-python"),
    "mnist": _idx_files(
        "MNIST",
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    "fashion_mnist": _idx_files(
        "FashionMNIST",
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    "tiny_imagenet": (
        Archive(
            "tiny-imagenet-200.zip",
            "90528d7ca1a48142e341f4ef8d21d0de",
            ("http://cs231n.stanford.edu/tiny-imagenet-200.zip",),
            "tiny-imagenet-200",
        ),
    ),
}


def fetch(name: str, root: str | Path | None = None) -> Path:
    """Download and unpack a data set (or "dinov3") into `root` (default: the data folder); return its folder.

    What is there and whole is left alone; a half-downloaded file is continued. Raises LabError where there is
    no network, no space or a wrong checksum.
    """
    if name in EMBEDDED:
        raise LabError(f"{name} needs no download: load it as it is.")
    if name in BY_PATH:
        raise LabError(f"{name} is not downloaded: load it with its path as root (in a notebook: data_dir).")
    if name == "dinov3":
        from labkit.data.download_model import fetch_dinov3  # it builds on this module

        return fetch_dinov3(root)
    if name not in ARCHIVES:
        raise unknown_name("data set to fetch", name, [*ARCHIVES, "dinov3"])
    folder = Path(root).expanduser() if root else data_dir()
    try:
        for archive in ARCHIVES[name]:
            _fetch_one(name, archive, folder)
    except OSError as error:
        raise LabError(f"Cannot write {name} to {folder} ({error}); {advice(error, folder)}.") from error
    return folder


def advice(error: OSError, folder: Path) -> str:
    other = "choose another root (or set LABKIT_DATA; in a notebook: data_dir)"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        file = next((place for place in (folder, *folder.parents) if place.is_file()), error.filename)
        return f"{file} is a file, not a folder: {other}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"you may not write there: {other}"
    return f"free some space or {other}"


def is_present(name: str, root: str | Path | None = None) -> bool:
    """Say whether a data set is in `root` (default: the data folder) and complete, without downloading.

    Raises LabError for a name that is not fetched and not embedded.
    """
    if name in EMBEDDED:
        return True
    if name not in ARCHIVES:
        raise unknown_name("data set to fetch", name, ARCHIVES)
    folder = Path(root).expanduser() if root else data_dir()
    return all(_complete(name, archive, folder) for archive in ARCHIVES[name])


def require(values: dict) -> None:
    """Raise LabError where the data sets that a run's values name want a path or a download first.

    A path is taken as it is: `load` looks into it. Unknown names are left to `load`, too.
    """
    for parameter, place in (("dataset", "data_dir"), ("pretrain_dataset", "pretrain_dir")):
        name = values.get(parameter)
        if values.get(place) or not isinstance(name, str):
            continue
        if name in BY_PATH:
            raise LabError(f"{parameter}={name} needs {place}=PATH: where its {BY_PATH[name]} lies.")
        if name in ARCHIVES and not is_present(name):
            raise LabError(f"{name} is not in {data_dir()}: run `labkit fetch {name}` (login node) first.")


def _complete(name: str, archive: Archive, root: Path) -> bool:
    """Say whether one archive's content is there: by our stamp, or by the checksums of the files inside."""
    if not archive.makes:
        packed = root / archive.file
        return md5_of(packed) == archive.md5 if packed.is_file() else packed.with_suffix("").is_file()
    folder = root / archive.makes
    if (folder / STAMP).is_file():
        return (folder / STAMP).read_text().strip() == archive.md5
    if name == "tiny_imagenet":  # unpacked by somebody else; it has no checksums inside
        return all((folder / part).exists() for part in TINY_PARTS)
    inside = _inside(name)
    return bool(inside) and all(
        (folder / file).is_file() and md5_of(folder / file) == md5 for file, md5 in inside.items()
    )


def _inside(name: str) -> dict[str, str]:
    """Return file name -> md5 of what a CIFAR folder holds; nothing for other sets."""
    from labkit.data.sources import torchvision_files  # here: it imports torch, and this module

    known = {"cifar10": torchvision_files.CIFAR10, "cifar100": torchvision_files.CIFAR100}.get(name)
    return {**known.train, **known.test, **known.meta} if known else {}


def _fetch_one(name: str, archive: Archive, root: Path) -> None:
    if _complete(name, archive, root):
        return
    made = root / archive.makes if archive.makes else None
    if made and made.is_dir() and any(made.iterdir()):
        raise LabError(f"{name} in {root} is incomplete; delete {made} and run `labkit fetch {name}` again.")
    target = root / archive.file
    if not target.is_file() or md5_of(target) != archive.md5:
        download(name, archive, target)
    if archive.makes:
        unpack(name, target, root, archive)


def absent(name: str, root: Path) -> LabError:
    """Return the sentence for a data set that is not, or not wholly, in root."""
    where = f"run `labkit fetch {name}` on a login node"
    for archive in ARCHIVES[name]:
        part = part_of(root / archive.file)
        if part.exists():
            done = f"{part.stat().st_size / 2**20:.1f} MiB of {archive.file} are there"
            return LabError(f"{name} in {root} is half downloaded ({done}); {where}, which continues it.")
        if archive.makes and (root / archive.makes).exists():
            return LabError(f"{name} in {root} is incomplete; delete {root / archive.makes} and {where}.")
        if archive.makes and (root / archive.file).exists():
            return LabError(f"{name} in {root} is downloaded but not unpacked; {where} to finish it.")
    there = "or pass the folder that holds it as root (in a notebook: data_dir)"
    return LabError(f"{name} is not in {root}; {where}, {there}.")


def md5_of(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def part_of(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def download(name: str, archive: Archive, target: Path) -> None:
    """Put the archive's file at `target` once its checksum is right; until then it grows as .part."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(target)
    if target.exists():
        os.replace(target, part)  # somebody's own broken download: perhaps it only has to be continued
    for url in archive.urls:
        failure = append_rest(url, part)
        if failure is None:
            break
    else:
        kept = f"; the {part.stat().st_size / 2**20:.1f} MiB so far are kept" if part.exists() else ""
        raise LabError(
            f"Cannot download {archive.file} ({failure}){kept}; run `labkit fetch {name}` on a machine with "
            f"a network, e.g. a login node."
        )
    found = md5_of(part)
    if found != archive.md5:
        part.unlink()
        raise LabError(
            f"{archive.file} has checksum {found} instead of {archive.md5}; it was deleted: run "
            f"`labkit fetch {name}` again."
        )
    os.replace(part, target)


def append_rest(url: str, part: Path, *, secret: dict[str, str] | None = None) -> str | None:
    """Download the rest of `url` behind what `part` holds; return why that failed, or None.

    secret: headers for this server alone, not for one that it redirects to.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    have = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    request.unredirected_hdrs.update(secret or {})
    url = url.partition("?")[0]  # what follows may be a signature, and nothing to show
    try:
        with urlopen(request, timeout=TIMEOUT_S) as response:
            return _receive(response, part, have)
    except HTTPError as error:
        return None if error.code == 416 else f"{url} answers {error.code}"  # 416: nothing is left to send
    except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
        return f"{url}: {getattr(error, 'reason', None) or error or type(error).__name__}"


def _receive(response, part: Path, have: int) -> str | None:
    rest_of = response.headers.get("Content-Range", "")
    resumed = response.status == 206 and rest_of.startswith(f"bytes {have}-")  # else it sends all again
    rest = int(response.headers.get("Content-Length") or 0)
    with open(part, "ab" if resumed else "wb") as file:
        pieces = watched(_pieces(response), total=rest, text=f"Fetching {part.stem}", unit="B")
        received = sum(file.write(piece) for piece in pieces)
    return None if received >= rest else f"the connection ended after {received} of {rest} bytes"


def _pieces(response) -> Iterator[bytes]:
    """Yield what arrives; a network that breaks raises ConnectionError, to tell it from a full disk."""
    from http.client import HTTPException

    try:
        while piece := response.read(CHUNK_BYTES):
            yield piece
    except (HTTPException, OSError) as error:
        raise ConnectionError(f"the connection broke: {error}") from error


def unpack(name: str, packed: Path, root: Path, archive: Archive) -> None:
    """Unpack beside the goal, stamp and rename: the folder is there only once it is whole."""
    import tarfile
    import zipfile

    temporary = root / f".unpacking-{archive.makes}-{os.getpid()}"
    try:
        if zipfile.is_zipfile(packed):
            with zipfile.ZipFile(packed) as opened:
                opened.extractall(temporary)
        else:
            with tarfile.open(packed) as opened:
                safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from 3.11.4 on
                opened.extractall(temporary, **safely)
        (temporary / archive.makes / STAMP).write_text(archive.md5)
        os.replace(temporary / archive.makes, root / archive.makes)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, FileNotFoundError) as error:
        again = f"delete it and run `labkit fetch {name}` again"
        raise LabError(f"Cannot unpack {packed} ({error}); {again}.") from error
    finally:
        with suppress(OSError):
            shutil.rmtree(temporary)
