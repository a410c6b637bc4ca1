"""Seeds: one call for every generator, their state as a dict to save, and seeds derived from counters.

With `deterministic`, a CPU gives the same bits for the same seed, thread count and library versions, and so does a
GPU for operations that have a deterministic kernel (the few others warn). Across devices, thread counts or versions
sums are taken in another order: results agree, their last bits do not.
"""

import hashlib
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch


def seed_everything(seed: int, deterministic: bool = True) -> None:
    """Seed Python, NumPy and torch (all devices), and choose deterministic kernels or the fastest ones."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    torch.set_deterministic_debug_mode("warn" if deterministic else "default")  # the other way loads the compiler
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a slow debugging aid
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic


@contextmanager
def callers_generators() -> Iterator[None]:
    """Give the caller back its generators and the choice of kernels that it had, whatever is seeded inside."""
    state, kernels = rng_state(), torch.get_deterministic_debug_mode()
    cudnn, fill = torch.backends.cudnn, cast(Any, torch.utils.deterministic)
    flags = cudnn.deterministic, cudnn.benchmark, fill.fill_uninitialized_memory
    try:
        yield
    finally:
        set_rng_state(state)
        torch.set_deterministic_debug_mode(kernels)
        cudnn.deterministic, cudnn.benchmark, fill.fill_uninitialized_memory = flags


def derive(seed: int, *counters: int) -> int:
    """Return a 63-bit seed that depends on every number given, and on nothing else.

    `derive(seed, epoch, batch)` lets a batch be drawn again without drawing those before it.
    """
    key = ",".join(map(str, map(int, (seed, *counters))))
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") >> 1


def rng_state() -> dict[str, Any]:
    """Return the state of every generator, in values that `torch.load(weights_only=True)` accepts."""
    version, words, gauss = random.getstate()
    numpy = np.random.get_state(legacy=False)
    key, pos = torch.from_numpy(numpy["state"]["key"].astype(np.int64)), int(numpy["state"]["pos"])
    return {
        "python": [version, list(words), gauss],
        "numpy": numpy | {"state": {"key": key, "pos": pos}},
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_rng_state(state: dict[str, Any]) -> None:
    """Put every generator back to where `rng_state` saw it (GPUs that are not here are left out)."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    key = state["numpy"]["state"]["key"].cpu().numpy().astype(np.uint32)
    np.random.set_state(state["numpy"] | {"state": {"key": key, "pos": state["numpy"]["state"]["pos"]}})
    torch.set_rng_state(state["torch"].cpu())
    for device, words in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(words.cpu(), device)
