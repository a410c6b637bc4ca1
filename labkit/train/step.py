"""One training step: forward, loss and backward over a group of batches, clip, update; nothing is read back.

Losses and counts stay on the device: reading one (`.item()`) makes the host wait for every kernel queued.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit import distributed, losses
from labkit.run_folder import LabError
from labkit.train import TrainConfig, batch_checks, optimizers, schedules
from labkit.train import gradcache as grouped
from labkit.train.tracking import COUNTED

log = logging.getLogger("labkit")

Outcome = dict[str, Tensor | int]
Step = Callable[[nn.Module, object, Callable | None], Outcome]

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def supervised(model: nn.Module, batch, loss: Callable[[Tensor, Tensor], Tensor]) -> Outcome:
    """Return the loss of one labelled batch, how many of its images were recognised, and of how many."""
    logits = model(batch.images).float()  # (B, K)
    correct = (logits.argmax(dim=1) == batch.labels).sum()
    return {"loss": loss(logits, batch.labels), "correct": correct, "count": len(logits)}


def contrastive(model: nn.Module, batch, loss: Callable[[Tensor, Tensor], Tensor]) -> Outcome:
    """Return the loss of a batch of two views; `correct` counts first views nearest to their own second."""
    z1, z2 = model(torch.cat(batch.images)).float().chunk(2)  # one pass; (B, D) each
    return {"loss": loss(z1, z2), "correct": _partners_found(z1.detach(), z2.detach()), "count": len(z1)}


def _partners_found(z1: Tensor, z2: Tensor) -> Tensor:
    """Count the rows of z1 that lie nearest to their own row of z2, among all other rows of both."""
    z1, z2 = F.normalize(z1, dim=1), F.normalize(z2, dim=1)
    others = (z1 @ z1.T).fill_diagonal_(-2.0)  # a cosine is never below -1
    nearest = torch.cat([z1 @ z2.T, others], dim=1).argmax(dim=1)  # (B, 2B) -> (B,)
    return (nearest == torch.arange(len(z1), device=z1.device)).sum()


def choose_losses(loss, step: Step, model: nn.Module, train, val, config: TrainConfig) -> tuple:
    """Return the losses of training and validation: the caller's, or for the lab's steps the configuration's.

    Without a loss of the caller's, validation is plain cross-entropy, so that runs can be compared.
    Raises LabError where labels are missing or out of range, a class that needs a weight is empty, or the
    batches have not the views that the step compares.
    """
    splits = {"training": train} | ({} if val is None else {"validation": val})
    if step is contrastive:
        batch_checks.need_pairs(splits, accumulate=config.accumulate)
        return (loss or losses.NTXentLoss(),) * 2
    if step is not supervised:
        return loss, loss
    batch_checks.need_single_views(splits)
    num_classes = _count_classes(model, train)
    for split, batches in splits.items():
        batch_checks.need_labels(batches.labels, num_classes, split)
    if loss is not None:
        return loss, loss
    options = {
        key: getattr(config, key) for key in ("class_weights", "label_smoothing", "focal_gamma", "hard_fraction")
    }
    return losses.supervised_loss(**options, labels=train.labels, num_classes=num_classes), F.cross_entropy


def _count_classes(model: nn.Module, train) -> int:
    known = getattr(model, "num_classes", None)
    if known is not None:
        return known
    batch = next(iter(train.epoch(0)))
    with torch.inference_mode():
        return model.to(train.device).eval()(batch.images[:2]).shape[1]


class Learner:
    """A model with everything that changes it: optimizer, schedule, number format, loss scaler.

    `model` is the network itself (its weights are saved); `forward` is what training calls: the same network,
    wrapped for several processes and compiled where that is asked for.
    """

    def __init__(self, model: nn.Module, config: TrainConfig, *, total_steps: int, device: torch.device):
        self.config, self.device, self.total_steps = config, device, total_steps
        self.precision = choose_precision(config.precision, device)
        self.layout = choose_layout(config.channels_last, model, self.precision, device)
        self.model = model.to(device, memory_format=self.layout)
        self.forward = _compiled(_parallel(self.model, device), config.compile)
        self.optimizer = optimizers.build(
            config.optimizer, model, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        self.schedule = _schedule(config, total_steps)
        self._base_lrs = [group["lr"] for group in self.optimizer.param_groups]

    def update(self, batches: Sequence, step: Step, loss: Callable | None, *, number: int) -> Outcome:
        """Take update `number` from the mean gradient over all images of `batches`; return what was seen."""
        self._set_lr(number)
        together = step is contrastive and len(batches) > 1
        outcome = self._contrast(batches, loss) if together else self._accumulate(batches, step, loss)
        self._clip()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return outcome

    def _accumulate(self, batches: Sequence, step: Step, loss: Callable | None) -> Outcome:
        """Sum the gradients of the batches' own losses."""
        total = sum(map(_size, batches))
        outcomes = []
        for position, batch in enumerate(batches):
            with self._gradients_shared(position == len(batches) - 1):
                outcome = self.look(self.forward, batch, step, loss)
                # A batch counts by its share of the images, so a short last one weighs less.
                self.scaler.scale(outcome["loss"] * (outcome["count"] / total)).backward()
            outcomes.append({key: _kept(value) for key, value in outcome.items()})
        return merge(outcomes)

    def _contrast(self, batches: Sequence, loss: Callable) -> Outcome:
        """Take the gradient of ONE loss over all batches: each image meets those of the others, too."""

        def project(batch) -> tuple[Tensor, Tensor]:
            with self._formatted():
                return self.forward(torch.cat(self._laid_out(batch).images)).float().chunk(2)

        value, z1, z2 = grouped.contrast(
            project,
            batches,
            loss,
            model=self.model,
            scale=self.scaler.scale,
            around=lambda position: self._gradients_shared(position == len(batches) - 1),
        )
        return {"loss": value, "correct": _partners_found(z1, z2), "count": len(z1)}

    def look(self, model: nn.Module, batch, step: Step, loss: Callable | None) -> Outcome:
        """Return the step's outcome in the number format and memory layout chosen."""
        with self._formatted():
            return step(model, self._laid_out(batch), loss)

    def _formatted(self):
        return torch.autocast(self.device.type, DTYPES[self.precision], enabled=self.precision != "fp32")

    @property
    def lr(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    def state_dict(self) -> dict:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scaler.is_enabled() and state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])

    def _set_lr(self, number: int) -> None:
        factor = self.schedule(number)
        for group, base in zip(self.optimizer.param_groups, self._base_lrs, strict=True):
            group["lr"] = base * factor

    def _gradients_shared(self, last: bool):
        """Let several processes average their gradients once per update, not once per batch."""
        return nullcontext() if last or not hasattr(self.forward, "no_sync") else self.forward.no_sync()

    def _clip(self) -> None:
        if self.config.grad_clip is not None:
            self.scaler.unscale_(self.optimizer)  # the limit is meant for true gradients
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.grad_clip)

    def _laid_out(self, batch):
        if self.layout != torch.channels_last:
            return batch
        views = isinstance(batch.images, tuple | list)
        if not views:
            return batch._replace(images=batch.images.contiguous(memory_format=self.layout))
        return batch._replace(images=tuple(v.contiguous(memory_format=self.layout) for v in batch.images))


def groups(batches: Iterator, size: int) -> Iterator[list]:
    """Yield lists of `size` batches; the last one holds what is left."""
    batches = iter(batches)
    while group := list(islice(batches, size)):
        yield group


def merge(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome of several batches as one: counts add up, all else is a mean over the images."""
    if len(outcomes) == 1:
        return outcomes[0]
    total = sum(o["count"] for o in outcomes)
    merged = {key: sum(o[key] * (o["count"] / total) for o in outcomes) for key in outcomes[0]}
    return merged | {key: sum(o[key] for o in outcomes) for key in COUNTED if key in merged}


def choose_precision(wanted: str, device: torch.device) -> str:
    """Return the number format of the forward pass; "auto" is the fastest that the device has.

    A GPU that has no bf16 gets fp16 (with a scaled loss) in its place, and the log says so.
    """
    has_bf16 = device.type != "cuda" or torch.cuda.get_device_capability(device) >= (8, 0)
    if wanted == "bf16" and not has_bf16:
        log.warning("%s has no bf16: training goes on in fp16 with a scaled loss.", device)
        return "fp16"
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if has_bf16 else "fp16"
    return "bf16" if device.type == "cpu" and _cpu_multiplies_bf16() else "fp32"


def choose_layout(wanted: str | bool, model: nn.Module, precision: str, device: torch.device) -> torch.memory_format:
    """Return the memory order of images: channels last for convnets on the kernels that gain by it."""
    convolves = any(isinstance(module, nn.Conv2d) for module in model.modules())
    gains = device.type == "cpu" or (device.type == "cuda" and precision != "fp32")
    chosen = convolves and (gains if wanted == "auto" else wanted)
    return torch.channels_last if chosen else torch.contiguous_format


def _cpu_multiplies_bf16() -> bool:
    """Say whether bf16 products gain on this CPU: with AMX, and with AVX-512 on AMD.

    Intel's AVX-512 has bf16 products too, at no higher rate than fp32 (measured: 70 against 110 GFLOP/s on a
    core without AMX), so there autocast only adds conversions.
    """
    if getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)():
        return True
    has_avx = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return has_avx and "AuthenticAMD" in _cpu_vendor()


def _cpu_vendor() -> str:
    """Return the line of /proc/cpuinfo that names the maker ("" where there is no such file)."""
    try:
        with open("/proc/cpuinfo") as file:
            return next((line for line in file if line.startswith("vendor_id")), "")
    except OSError:
        return ""


def _schedule(config: TrainConfig, total_steps: int) -> schedules.Schedule:
    warmup = config.warmup_steps
    return schedules.build(
        config.schedule,
        total_steps=total_steps,
        warmup_steps=round(config.warmup_fraction * total_steps) if warmup is None else warmup,
        min_factor=config.min_lr / config.lr,
        gamma=config.gamma,
        milestones=config.milestones,
        step_size=config.step_size,
    )


def _parallel(model: nn.Module, device: torch.device) -> nn.Module:
    """Average gradients over the processes of the group, where there is one of more than one."""
    if distributed.world_size() == 1 or isinstance(model, nn.parallel.DistributedDataParallel):
        return model
    ids = [device.index] if device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(model, device_ids=ids, gradient_as_bucket_view=True)


def _compiled(model: nn.Module, mode: bool | str) -> nn.Module:
    return torch.compile(model, mode=mode if isinstance(mode, str) else None) if mode else model


def _size(batch) -> int:
    images = batch.images[0] if isinstance(batch.images, tuple | list) else batch.images
    if not len(images):
        raise LabError("A batch without images cannot be trained on; check the split's size.")
    return len(images)


def _kept(value: Tensor | int) -> Tensor | int:
    return value.detach() if isinstance(value, Tensor) else value
