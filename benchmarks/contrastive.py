"""(c) NT-Xent, forward and backward: time and peak memory beside lightly and pytorch-metric-learning."""

import math

import torch

from benchmarks.compare import Contender, Section, installed, interleave, missing, table
from labkit import losses, profiling

DIM, TEMPERATURE = 128, 0.5
ROUND_S = 0.2
LONGEST_S = 60  # a peer whose one call would take longer is not run, and its row says so


def nt_xent(repeats: int, quick: bool) -> list[Section]:
    """Return one table per batch size."""
    return [_at(rows, repeats) for rows in ((128, 512) if quick else (512, 2048, 8192))]


def _at(rows: int, repeats: int) -> Section:
    z = [torch.randn(rows // 2, DIM, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    ways = {"labkit nt_xent": lambda a, b: losses.NTXentLoss(TEMPERATURE)(a, b)} | _peers()
    reference, contenders = None, []
    for name, loss in ways.items():
        if isinstance(loss, str):
            contenders.append(missing(name, loss))
            continue
        if (expected := _expected_s(name, loss, rows)) > LONGEST_S:
            why = f"not run: at least {expected:,.0f} s per call, from its time at smaller batches"
            contenders.append(Contender(name, None, why_not=why))
            continue
        call = _forward_backward(loss, z)
        value = call()
        reference = value if reference is None else reference
        peak = profiling.peak_memory(call)
        once = profiling.time_calls(call, warmup=1, repeats=3).median_s
        calls = max(1, math.ceil(ROUND_S / once))  # a few milliseconds alone would measure the noise
        extra = {"peak MiB": round(peak / 2**20, 1), "loss": round(value, 4)}
        contenders.append(Contender(name, _repeated(call, calls), calls, extra=extra))
        if abs(value - reference) > 1e-3:
            raise AssertionError(f"{name} gives {value}, labkit {reference}: they are not the same loss")
    seconds = interleave(contenders, repeats=repeats)
    result = table(contenders, seconds, unit="calls/s", against="lightly NTXentLoss", places=2)
    for row in result:
        if isinstance(row["calls/s"], float):
            row["ms"] = round(1e3 / row["calls/s"], 2)
    return Section(
        f"ntxent-{rows}",
        f"NT-Xent forward + backward, 2B = {rows:,}, D = {DIM}",
        result,
        [
            f"Ratios are to lightly. A round repeats its call for {ROUND_S} s. Peak: tensors alive at once "
            "during a call, beyond its inputs."
        ],
    )


def _peers() -> dict:
    found = {}
    if installed("lightly"):
        from lightly.loss import NTXentLoss

        found["lightly NTXentLoss"] = NTXentLoss(temperature=TEMPERATURE)
    else:
        found["lightly NTXentLoss"] = "lightly"
    if installed("pytorch_metric_learning"):
        from pytorch_metric_learning.losses import NTXentLoss, SelfSupervisedLoss

        found["pytorch-metric-learning"] = SelfSupervisedLoss(NTXentLoss(temperature=TEMPERATURE))
    else:
        found["pytorch-metric-learning"] = "pytorch_metric_learning"
    return found


def _repeated(call, times: int):
    def run() -> None:
        for _ in range(times):
            call()

    return run


def _forward_backward(loss, z):
    def call() -> float:
        a, b = (part.clone().requires_grad_() for part in z)
        value = loss(a, b)
        value.backward()
        return value.item()

    return call


def _expected_s(name: str, loss, rows: int) -> float:
    """Return about how long a call takes, from two small ones and the power with which their time grows."""
    if not name.startswith("pytorch"):
        return 0.0
    seconds = []
    for small in (64, 128):
        z = [torch.randn(small // 2, DIM) for _ in range(2)]
        call = _forward_backward(loss, z)
        seconds.append(profiling.time_calls(call, warmup=1, repeats=3).median_s)
    growth = max(seconds[1] / seconds[0], 4.0)  # at least quadratic: the matrix of similarities
    doublings = (rows // 128).bit_length() - 1
    return seconds[1] * growth**doublings
