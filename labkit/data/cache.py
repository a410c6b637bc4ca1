"""Decoded images cached as memory-mapped .npy files, written atomically: the second opening reads nothing."""

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

from labkit.run_folder import data_dir, write_error

FORMAT = "2"  # raise it when the decoded pixels change, so that no older cache is taken for a new one


def cache_folder(name: str, *facts: object) -> Path:
    """Return where the decoded form of what has these facts lies: <data>/cache/<name>-<digest>."""
    digest = hashlib.blake2b(os.fsencode("\0".join(map(str, (FORMAT, *facts)))), digest_size=8).hexdigest()
    return data_dir() / "cache" / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}-{digest}"


def memmap_cache(file: Path, shape: tuple[int, ...], parts: Callable[[], Iterable[np.ndarray]]) -> Tensor:
    """Return uint8 images of `shape`, memory-mapped from `file`, which is written first unless it is whole.

    parts: called only then; yields uint8 arrays that, one after the other, fill the shape.
    """
    array = _opened(file, shape)
    if array is not None:
        return torch.from_numpy(array)
    temporary, needed = file.with_name(f".{file.name}.{os.getpid()}.tmp"), int(np.prod(shape))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(file.parent).free < needed:
            raise OSError(errno.ENOSPC, f"{needed / 2**20:,.0f} MiB are needed")
        with open(temporary, "wb") as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
            np.lib.format.write_array_header_1_0(stream, header)
            begin = stream.tell()
            for part in parts():
                stream.write(np.ascontiguousarray(part).data)
            assert stream.tell() - begin == needed, f"the parts do not fill {shape}"
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    except OSError as error:
        raise write_error(file.parent, error, variable="LABKIT_DATA") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    array = _opened(file, shape)
    assert array is not None, f"{file} was written and cannot be read"
    return torch.from_numpy(array)


def _opened(file: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Map the file, or return None where it is missing, cut short or of another shape."""
    try:
        array = np.load(file, mmap_mode="c")  # copy on write: the file stays as it is whatever is done to it
    except (OSError, ValueError):
        return None
    return array if array.shape == tuple(shape) and array.dtype == np.uint8 else None
