"""Decoded images kept as memory-mapped .npy files, written atomically: the second opening reads nothing."""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labkit.run_folder import LabError, data_dir

FORMAT = "1"  # raise it when the decoded pixels change, so that no older cache is taken for a new one


def digest(*facts: object) -> str:
    """Return 16 hexadecimal digits that depend on every fact."""
    return hashlib.blake2b("\0".join(map(str, (FORMAT, *facts))).encode(), digest_size=8).hexdigest()


def cache_folder(name: str, *facts: object) -> Path:
    """Return where the decoded form of what has these facts lies: <data>/cache/<name>-<digest>."""
    return data_dir() / "cache" / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}-{digest(*facts)}"


def kept(file: Path, shape: tuple[int, ...], parts: Callable[[], Iterable[np.ndarray]]) -> Tensor:
    """Return uint8 images of `shape`, memory-mapped from `file`, which is written first unless it is whole.

    parts: called only then; yields uint8 arrays that, one after the other, fill the shape.
    """
    opened = _opened(file, shape)
    if opened is None:
        _write(file, shape, parts)
        opened = _opened(file, shape)
    return opened


def _opened(file: Path, shape: tuple[int, ...]) -> Tensor | None:
    """Map the file, or return None where it is missing, cut short or of another shape."""
    try:
        array = np.load(file, mmap_mode="c")  # copy on write: the file stays as it is whatever is done to it
    except (OSError, ValueError):
        return None
    return torch.from_numpy(array) if array.shape == tuple(shape) and array.dtype == np.uint8 else None


def _write(file: Path, shape: tuple[int, ...], parts: Callable[[], Iterable[np.ndarray]]) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _check_space(file.parent, int(np.prod(shape)))
        with open(temporary, "wb") as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
            np.lib.format.write_array_header_1_0(stream, header)
            begin = stream.tell()
            for part in parts():
                append(stream, part)
            assert stream.tell() - begin == np.prod(shape), f"the parts do not fill {shape}"
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    except OSError as error:
        raise _refusal(file.parent, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def append(stream, part: np.ndarray) -> None:
    """Write one part: the only place where a decoded cache meets the disk."""
    stream.write(np.ascontiguousarray(part).data)


def _check_space(folder: Path, needed: int) -> None:
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, f"{needed / 2**20:,.0f} MiB are needed")


def _refusal(folder: Path, error: OSError) -> LabError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    reason = "the disk (or your quota) is full" if full else (error.strerror or str(error))
    return LabError(
        f"Cannot write decoded images to {folder}: {reason}; free some space there or set LABKIT_DATA to a "
        f"folder on another disk, then start again."
    )
