"""Whole training steps, data included: images/s of a model in one variant of the step."""

from dataclasses import dataclass, field, replace

import torch
from torch import nn

from labkit import models, profiling, transforms
from labkit.data.batches import Batches
from labkit.data.splits import Split
from labkit.losses import NTXentLoss, SupervisedLoss
from labkit.train import TrainConfig
from labkit.train.step import Learner, contrastive, supervised

VARIANTS = {  # what differs from the lab's default
    "plain": {"precision": "fp32", "channels_last": False},
    "default": {},
    "compiled": {"compile": True},
    "graphs": {"compile": "reduce-overhead"},
}
VIT_S16 = {"patch_size": 16, "dim": 384, "depth": 12, "heads": 6, "head_dim": 64, "mlp_dim": 1536, "dropout": 0.0}


@dataclass(frozen=True)
class Case:
    """One model, image size, batch and variant; views 2 means SimCLR steps."""

    title: str
    model: str
    batch_size: int
    variant: str = "default"
    image_size: int = 32
    num_classes: int = 10
    views: int = 1
    options: dict = field(default_factory=dict)

    def build(self, device: torch.device) -> nn.Module:
        classes = self.num_classes if self.views == 1 else None
        model = models.build(self.model, num_classes=classes, image_size=self.image_size, **self.options)
        return (model if self.views == 1 else models.SimCLRModel(model, projection_dim=128)).to(device)


def STEPS(quick: bool) -> list[Case]:
    """Return the cases of the report: every model by default and plain, the slow-to-compile variants last."""
    cases = [
        Case("wide_resnet", "wide_resnet", 1024, num_classes=100),
        Case("resnet18", "resnet18", 2048),
        Case("resnet34", "resnet34", 2048),
        Case("alexnet 70 px", "alexnet", 4096, image_size=70),
        Case("vit-s/16 224 px", "vit", 512, image_size=224, options=VIT_S16),
        Case("simclr resnet18", "resnet18", 1024, views=2),
        Case("cnn", "cnn", 4096),
    ]
    if quick:
        return [Case("cnn", "cnn", 32, variant) for variant in ("plain", "default")] + [
            Case("simclr resnet_tiny", "resnet_tiny", 32, views=2)
        ]
    every = [replace(case, variant=v) for v in ("default", "compiled", "plain") for case in cases]
    return every + [replace(cases[i], variant="graphs") for i in (1, 4)]


def batches_for(case: Case, device: torch.device, *, images: int | None = None) -> Batches:
    """Return random images resident on the device, with the lab's default augmentation."""
    count = images or max(2 * case.batch_size, 4096)
    size, generator = case.image_size, torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, case.num_classes, (count,), generator=generator)
    view = transforms.simclr_view(size) if case.views == 2 else transforms.supervised(size)
    return Batches(
        Split(pixels, labels, "random"),
        case.batch_size,
        augment=view,
        views=case.views,
        device=device,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        channels_last=case.variant != "plain",
    )


def endless(batches: Batches):
    """Yield batches, epoch after epoch."""
    epoch = 0
    while True:
        yield from batches.epoch(epoch)
        epoch += 1


def make_update(case: Case, device: torch.device, feed):
    """Return a function that takes the next batch of `feed` and one whole update with it."""
    config = TrainConfig(max_steps=10**6, optimizer="sgd", lr=0.01, **VARIANTS[case.variant])
    learner = Learner(case.build(device).train(), config, total_steps=10**6, device=device)
    step, loss = (contrastive, NTXentLoss()) if case.views == 2 else (supervised, SupervisedLoss())
    learner.forward.train()
    return lambda: learner.update([next(feed)], step, loss, number=1000)


def measure_step(case: Case, device: torch.device, *, windows: int = 5) -> dict:
    """Return images/s (median of windows of several steps, warm-up apart) and peak memory of a step."""
    quick = device.type != "cuda"
    update = make_update(case, device, endless(batches_for(case, device)))
    warm = profiling.time_calls(update, warmup=0, repeats=2 if quick else 8, device=device)
    each = sorted(warm.steady_s)[0]
    count = 2 if quick else max(3, min(100, round(0.8 / each)))

    def window():
        for _ in range(count):
            update()

    timings = profiling.time_calls(window, warmup=0 if quick else 1, repeats=3 if quick else windows, device=device)
    peak = profiling.peak_memory(update, device=device)
    return {
        "images_per_s": round(case.batch_size * count / timings.median_s),
        "ms_per_step": round(1e3 * timings.median_s / count, 2),
        "first_s": round(sum(warm.steady_s[:2]), 1),
        "peak_gib": round(peak / 2**30, 2),
    }
