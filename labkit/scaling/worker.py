"""What each rank of a scaling measurement does; torchrun starts it with the files of a specification and a result."""

import faulthandler
import json
import statistics
import sys
import time
from collections.abc import Callable
from itertools import chain, count, pairwise
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from labkit import data, distributed, losses, models, transforms
from labkit.data.batches import Batches
from labkit.train import TrainConfig
from labkit.train.step import Learner, choose_precision, supervised

WARM_UP_STEPS = 3


class Case:
    """One training set-up, stepped by hand: the lab's own batches, step, loss, optimizer and DDP."""

    def __init__(self, spec: dict, batch_size: int, source: data.Dataset, device: torch.device):
        torch.manual_seed(0)
        net = build(spec, source)
        total = WARM_UP_STEPS + spec["windows"] * spec["steps_per_window"]
        config = TrainConfig(max_steps=total, batch_size=batch_size, precision=spec["precision"])
        self.learner = Learner(net, config, total_steps=total, device=device)
        self.learner.forward.train()
        self.loss, self.steps, self.device = losses.SupervisedLoss().to(device), 0, device
        batches = Batches(
            source.train,
            batch_size,
            augment=transforms.supervised(spec["image_size"]),
            device=device,
            mean=source.mean,
            std=source.std,
            rank=distributed.rank(),
            world_size=distributed.world_size(),
        )
        self.stream = chain.from_iterable(map(batches.epoch, count()))

    def step(self) -> None:
        """Take one whole training step, loading included."""
        self.learner.update([next(self.stream)], supervised, self.loss, number=self.steps)
        self.steps += 1

    def phases(self, spec: dict) -> dict[str, float]:
        """Return the median seconds of each part of a step; waiting after each part adds a little."""
        learner = self.learner
        times: dict[str, list[float]] = {"input_s": [], "forward_s": [], "backward_s": [], "optimizer_s": []}

        def step():
            clock = [now(self.device)]
            batch = next(self.stream)
            clock.append(now(self.device))
            loss = learner.forward_loss(learner.forward, batch, supervised, self.loss)["loss"]
            clock.append(now(self.device))
            learner.scaler.scale(loss).backward()
            clock.append(now(self.device))
            learner.scaler.step(learner.optimizer)
            learner.scaler.update()
            learner.optimizer.zero_grad(set_to_none=True)
            clock.append(now(self.device))
            for name, (start, end) in zip(times, pairwise(clock), strict=True):
                times[name].append(end - start)

        enough(step, spec, self.device)
        return {name: statistics.median(values) for name, values in times.items()}


def now(device: torch.device) -> float:
    """Return the clock's seconds, with the device's work finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def together(function: Callable[[], object], device: torch.device) -> float:
    """Return the slowest rank's time for a call that all ranks start at once."""
    if distributed.world_size() > 1:
        dist.barrier()
    start = now(device)
    function()
    return max(distributed.gather_values(now(device) - start))


def enough(function: Callable[[], object], spec: dict, device: torch.device) -> list[float]:
    """Return the times of `windows` calls, or of at least three where a case would take too long."""
    times: list[float] = []
    while len(times) < spec["windows"] and (len(times) < 3 or sum(times) < spec["seconds_per_case"]):
        times.append(together(function, device))  # the same number on every rank, so all stop together
    return times


def run_case(spec: dict, case: dict, source: data.Dataset, device: torch.device, start_up_s: float) -> dict:
    """Return one row of measurements: see `labkit.scaling.Measurement`."""
    torch.set_num_threads(case["threads"])
    ranks, batch_size = distributed.world_size(), case["batch_size"]
    one = Case(spec, batch_size, source, device)
    warm_up = [together(one.step, device) for _ in range(WARM_UP_STEPS)]
    affordable = spec["seconds_per_case"] / spec["windows"] / min(warm_up)
    each = max(1, min(spec["steps_per_window"], int(affordable)))

    def window():
        for _ in range(each):
            one.step()

    step_s = statistics.median(enough(window, spec, device)) / each
    return case | {
        "ranks": ranks,
        "step_s": step_s,
        "images_per_second": ranks * batch_size / step_s,
        "first_step_s": warm_up[0],
        "start_up_s": start_up_s,
        "phases": one.phases(spec) if spec["phase_threads"] == case["threads"] else {},
    }


def allreduce_seconds(size_bytes: int, device: torch.device, *, repeats: int = 9) -> float:
    """Return the median time to add up `size_bytes` of fp32 numbers over all ranks."""
    numbers = torch.zeros(size_bytes // 4, device=device)

    def add():
        dist.all_reduce(numbers)

    add()
    add()
    return statistics.median(together(add, device) for _ in range(repeats))


def main(spec_file: str, result_file: str) -> None:
    spec = json.loads(Path(spec_file).read_text())
    faulthandler.dump_traceback_later(0.9 * spec["timeout_s"])  # for whoever stops this rank
    device = distributed.setup(spec["timeout_s"])
    shapes = spec["dataset"] == "shapes"  # drawn anew, so no more than needed
    options = {"n_train": spec["limit"], "n_test": 10} if shapes else {"limit": spec["limit"]}
    source = data.load(spec["dataset"], root=spec["data_dir"], image_size=spec["image_size"], **options)
    start_up_s = time.time() - spec["launched_at"]
    rows = [run_case(spec, case, source, device, start_up_s) for case in spec["cases"]]
    times = {size: allreduce_seconds(size, device) for size in spec["allreduce_bytes"]}
    if distributed.is_main():
        net = build(spec, source)
        found = {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "precision": choose_precision(spec["precision"], device),
            "parameter_bytes": [p.numel() * p.element_size() for p in net.parameters()],
            "rows": rows,
            "allreduce_s": times,
        }
        Path(result_file).write_text(json.dumps(found))
    distributed.cleanup()


def build(spec: dict, source: data.Dataset) -> nn.Module:
    size, channels = spec["image_size"], source.channels
    return models.build(spec["model"], num_classes=source.num_classes, image_size=size, channels=channels)


if __name__ == "__main__":
    main(*sys.argv[1:])
