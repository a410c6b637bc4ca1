"""What a model costs: parameters, FLOP, activation memory, layer shapes, and how fast it really runs.

One multiply-add is two FLOP (torch's counter; only matrix products, convolutions and attention count):
ResNet18 takes 1.111 GFLOP forward per 32 px image, 0.556 G multiply-adds in papers that count those. Training
takes about three times as much. Counting leaves weights, statistics, mode and the random state alone.
"""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import finalize

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakIdKeyDictionary

from labkit.evaluate.classify import eval_mode
from labkit.models import MODELS, build
from labkit.run_folder import LabError


def parameter_count(model: nn.Module, *, trainable: bool = False) -> int:
    """Return the number of parameters, shared ones once; `trainable`: without the frozen ones."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)


def images_for(model: nn.Module, batch: int, *, image_size: int, channels: int | None) -> Tensor:
    """Return black images (batch, channels, image_size, image_size) of the model's type, on its device."""
    weight = next(model.parameters())
    shape = (batch, channels or getattr(model, "channels", None) or 3, image_size, image_size)
    return torch.zeros(shape, device=weight.device, dtype=weight.dtype)


def flops(model: nn.Module, image_size: int = 32, *, channels: int | None = None) -> int:
    """Return the FLOP of one image's forward pass (a multiply-add is two)."""
    image = images_for(model, 1, image_size=image_size, channels=channels)
    counter = FlopCounterMode(display=False)
    # Attention as plain matrix products, which the counter of every torch version counts.
    with eval_mode(model), sdpa_kernel(SDPBackend.MATH), counter:
        model(image)
    return counter.get_total_flops()


def activation_memory(model: nn.Module, image_size: int = 32, *, channels: int | None = None) -> int:
    """Return the bytes kept for backward per image: what grows with the batch in a training forward pass.

    Autograd's saved tensors at batches of 3 and 2: the difference holds no parameters and no statistics.
    Call it under torch.autocast to see what mixed precision saves.
    """
    images = images_for(model, 3, image_size=image_size, channels=channels)
    saved: list[Tensor] = []  # their storages stay alive, so that no address is used twice

    def note(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    def kept(batch: Tensor) -> int:
        saved.clear()
        buffers = {name: b.clone() for name, b in model.named_buffers()}  # for BatchNorm to write to
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            torch.func.functional_call(model, buffers, (batch,))
        return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in saved}.values())

    fork = torch.random.fork_rng(devices=[images.device] if images.device.type == "cuda" else [])
    with eval_mode(model), torch.inference_mode(False), torch.enable_grad(), fork:
        model.train()  # until eval_mode gives every module its own mode back
        return kept(images) - kept(images[:2].clone())


def model_table(
    names: Iterable[str] | None = None, image_size: int = 32, *, num_classes: int = 10, channels: int = 3
) -> list[dict[str, object]]:
    """Return a row per model: model, parameters, forward_gflop, activation_mb.

    names None: every model that can take such images on this machine; else what cannot raises LabError.
    forward_gflop: 1e9 FLOP per image; activation_mb: 1e6 bytes kept for backward per image, in fp32.
    """
    rows: list[dict[str, object]] = []
    chosen = tuple(MODELS if names is None else names)
    with torch.random.fork_rng(devices=[]):
        for name in chosen:
            try:
                model = build(name, num_classes=num_classes, image_size=image_size, channels=channels)
            except LabError:
                if names is not None or (name == chosen[-1] and not rows):
                    raise
                continue
            rows.append(
                {
                    "model": name,
                    "parameters": parameter_count(model),
                    "forward_gflop": flops(model, image_size) / 1e9,
                    "activation_mb": activation_memory(model, image_size) / 1e6,
                }
            )
    return rows


def layer_shapes(model: nn.Module, image_size: int = 32, *, channels: int | None = None) -> list[dict[str, object]]:
    """Return a row per layer in the order they run: layer, kind, output (shape for one image), parameters.

    A layer is a module without parts or with parameters of its own: the rows' parameters sum to the model's.
    """
    rows: list[dict[str, object]] = []
    seen: set[nn.Parameter] = set()

    def note(name: str, module: nn.Module, inputs: tuple, output: object) -> None:
        own = [p for p in module.parameters(recurse=False) if p not in seen]
        seen.update(own)
        shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else None
        row = {"layer": name or "(model)", "kind": type(module).__name__, "output": shape}
        rows.append(row | {"parameters": sum(p.numel() for p in own)})

    layers = [(n, m) for n, m in model.named_modules() if not list(m.children()) or list(m.parameters(recurse=False))]
    hooks = [layer.register_forward_hook(partial(note, name)) for name, layer in layers]
    try:
        with eval_mode(model):
            model(images_for(model, 1, image_size=image_size, channels=channels))
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def synchronize(device: torch.device | str | None = None) -> None:
    """Wait until the accelerator has done its queued work; nothing to wait for on a CPU."""
    if torch.accelerator.is_available() and (device is None or torch.device(device).type != "cpu"):
        torch.accelerator.synchronize()


class Timer:
    """Seconds of a block, the accelerator's queue included: `with Timer() as t: ...`, then `t.seconds`.

    Without the waiting a clock sees how fast work is queued, not done: so 170,000 img/s get reported.
    """

    def __init__(self, device: torch.device | str | None = None):
        self.device, self.seconds = device, float("nan")

    def __enter__(self) -> "Timer":
        synchronize(self.device)
        self.started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        synchronize(self.device)
        self.seconds = time.perf_counter() - self.started


@dataclass(frozen=True)
class Timings:
    """Seconds of each call: first ones (allocation, kernel choice, compilation) apart from steady ones."""

    warmup_s: list[float]
    steady_s: list[float]

    @property
    def median_s(self) -> float:
        return statistics.median(self.steady_s)


def time_calls(
    function: Callable[[], object], *, warmup: int = 2, repeats: int = 5, device: torch.device | str | None = None
) -> Timings:
    """Call the function warmup + repeats times, timing each call."""
    seconds = []
    for _ in range(warmup + repeats):
        with Timer(device) as timer:
            function()
        seconds.append(timer.seconds)
    return Timings(seconds[:warmup], seconds[warmup:])


def throughput(
    function: Callable[[], object],
    images: int,
    *,
    warmup: int = 2,
    repeats: int = 5,
    device: torch.device | str | None = None,
) -> float:
    """Return images per second, `images` being handled by each call: the median call after the warm-up."""
    return images / time_calls(function, warmup=warmup, repeats=repeats, device=device).median_s


class LiveTensors(TorchDispatchMode):
    """Counts the bytes of tensors made inside the block and still alive: `bytes` now, `peak` at most."""

    def __init__(self):
        super().__init__()
        self.bytes = self.peak = 0
        self.known = WeakIdKeyDictionary()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        for old in tree_leaves((args, kwargs)):
            if isinstance(old, Tensor):
                self.known[old.untyped_storage()] = True  # a weight updated in place is no new memory
        output = function(*args, **(kwargs or {}))
        for new in tree_leaves(output):
            storage = new.untyped_storage() if isinstance(new, Tensor) else None
            if storage is not None and storage not in self.known:
                self.known[storage] = True
                self._add(storage.nbytes())
                finalize(storage, self._add, -storage.nbytes())
        return output

    def _add(self, size: int) -> None:
        self.bytes += size
        self.peak = max(self.peak, self.bytes)


def peak_memory(function: Callable[[], object], *, device: torch.device | str | None = None) -> int:
    """Return the most bytes of tensors alive at once during one call, beyond those alive before it.

    On CUDA the allocator's account; elsewhere tensors are counted as they come and go (not kernels' scratch).
    """
    if torch.device(device or "cpu").type != "cuda":
        with LiveTensors() as live:
            function()
        return live.peak
    synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    function()
    synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def training_step(model: Any, batch_size: int, *, image_size: int = 32) -> Callable[[], None]:
    """Return a function that takes one SGD step on a fixed random batch: for timing, not for learning."""
    images = torch.rand_like(images_for(model, batch_size, image_size=image_size, channels=None))
    labels = torch.arange(batch_size, device=images.device) % model.num_classes
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def step() -> None:
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def throughput_by_batch(
    make_step: Callable[[int], Callable[[], object]],
    batch_sizes: Iterable[int],
    *,
    warmup: int = 2,
    repeats: int = 5,
    limit_bytes: int | None = None,
    device: torch.device | str | None = None,
) -> list[dict[str, object]]:
    """Return a row per batch size: batch_size, images_per_second, peak_bytes, note; ending where memory ends.

    make_step(batch_size) returns the function to call. The last row's note may be "out of memory" or, where
    running out would kill the process, "over the limit": a step's peak passed limit_bytes.
    """
    rows: list[dict[str, object]] = []
    for batch in batch_sizes:
        row: dict[str, object] = {"batch_size": batch, "images_per_second": None, "peak_bytes": None, "note": ""}
        rows.append(row)
        try:
            step = make_step(batch)
            row["peak_bytes"] = peak = peak_memory(step, device=device)
            if limit_bytes is not None and peak > limit_bytes:
                row["note"] = "over the limit"
                break
            row["images_per_second"] = throughput(step, batch, warmup=warmup, repeats=repeats, device=device)
        except (RuntimeError, MemoryError) as error:
            known = isinstance(error, torch.OutOfMemoryError | MemoryError)
            if not known and "can't allocate memory" not in str(error):
                raise
            row["note"] = "out of memory"
            break
    return rows
