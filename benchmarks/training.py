"""(d) and (f): training steps and whole epochs beside a plain loop in the style of course notebooks."""

import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from benchmarks.compare import Contender, Section, interleave, table
from benchmarks.inputs import MEAN, STD, PerSample, pil_crop, random_images
from benchmarks.steps import Case, batches_for, make_update
from labkit import models, profiling, transforms
from labkit.data.batches import Batches
from labkit.data.splits import Split
from labkit.run_folder import RunFolder
from labkit.train import TrainConfig, fit

CPU = torch.device("cpu")
NO_BF16 = (
    "bf16 products are no faster than fp32 ones on this processor: labkit's default computes in fp32, as the "
    "plain loop does: here a step is as fast as its convolutions, and nothing is left for bf16 to gain."
)


def machine_rates(quick: bool) -> dict[str, float]:
    """Return the machine's own GFLOP/s in square matrix products, per number format."""
    side = 512 if quick else 2048
    rates = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a, b = (torch.randn(side, side).to(dtype) for _ in range(2))
        rates[name] = 2e-9 * side**3 / profiling.time_calls(lambda a=a, b=b: a @ b, repeats=7).median_s
    return rates


def training_steps(repeats: int, quick: bool) -> list[Section]:
    """Return, per model, the lab's default step beside the plain one, on one batch that stays in memory."""
    cases = [Case("cnn", "cnn", 128), Case("resnet18", "resnet18", 64), Case("wide_resnet", "wide_resnet", 16)]
    rates = machine_rates(quick)
    return [_steps_of(case, rates, repeats) for case in (cases[:1] if quick else cases)]


def _steps_of(case: Case, rates: dict[str, float], repeats: int) -> Section:
    batch = next(batches_for(case, CPU, images=case.batch_size).epoch(0))
    update = make_update(case, CPU, iter(lambda: batch, None))
    plain = plain_step(case.build(CPU), batch.images.contiguous(), batch.labels)
    contenders = [
        Contender("plain loop: fp32, NCHW, .item()", plain, case.batch_size),
        Contender("labkit, default step", update, case.batch_size),
    ]
    seconds = interleave(contenders, repeats=repeats)
    rows = table(contenders, seconds, unit="images/s", against=contenders[0].name, places=1)
    gflop = 3e-9 * profiling.flops(case.build(CPU), case.image_size)
    for row in rows:
        row |= {f"share of {name} products": round(row["images/s"] * gflop / rate, 2) for name, rate in rates.items()}
    title = f"Training step: {case.title}, batch {case.batch_size}, 32 px"
    return Section(
        f"step-{case.title}",
        title,
        rows,
        [
            f"Square products here: {rates['fp32']:.0f} GFLOP/s in fp32, {rates['bf16']:.0f} in bf16. "
            "A step counts as three forward passes.",
            *([NO_BF16] if rates["bf16"] < 1.2 * rates["fp32"] else []),
        ],
    )


def plain_step(model, images, labels):
    """Return the step that most course notebooks write: every number read back at once."""
    model.train()
    optimizer, seen = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9), {"loss": 0.0, "right": 0}

    def step():
        optimizer.zero_grad()
        output = model(images)
        loss = F.cross_entropy(output, labels)
        loss.backward()
        optimizer.step()
        seen["loss"] += loss.item()
        seen["right"] += (output.argmax(1) == labels).sum().item()

    return step


def epochs(repeats: int, quick: bool) -> list[Section]:
    """Return whole epochs, data and bookkeeping included: `fit` beside the plain loop with PIL workers."""
    return [
        _epoch_of(name, 512 if quick else 5120, repeats) for name in (("lenet",) if quick else ("lenet", "resnet_tiny"))
    ]


def _epoch_of(name: str, count: int, repeats: int) -> Section:
    images, labels = random_images(count), torch.arange(count) % 10
    split = Split(images, labels, "random")
    train = Batches(split, 128, augment=transforms.supervised(32), mean=MEAN, std=STD)
    folder = tempfile.TemporaryDirectory()
    numbers = iter(range(10**6))
    config = TrainConfig(epochs=1, batch_size=128, optimizer="sgd", lr=0.01)

    def lab():
        run = RunFolder(Path(folder.name) / str(next(numbers))).create({"notebook": None})
        fit(models.build(name), train, config=config, run=run, progress=False)

    def plain(workers: int):
        dataset = PerSample(images, pil_crop(), pil_image=True)
        loader = DataLoader(
            dataset, 128, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
        )

        def run():
            model = models.build(name).train()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
            for batch, target in loader:
                optimizer.zero_grad()
                output = model(batch)
                loss = F.cross_entropy(output, target)
                loss.backward()
                optimizer.step()
                loss.item(), (output.argmax(1) == target).sum().item()

        return run

    contenders = [
        Contender("plain loop, PIL, 0 workers", plain(0), count),
        Contender("plain loop, PIL, 2 workers", plain(2), count),
        Contender("labkit fit, checkpoint and record included", lab, count),
    ]
    seconds = interleave(contenders, repeats=repeats)
    folder.cleanup()
    rows = table(contenders, seconds, unit="images/s", against=contenders[0].name)
    return Section(f"epoch-{name}", f"A whole epoch: {name}, {count:,} images of 32 px, batch 128", rows, [])
