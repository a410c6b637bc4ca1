"""One training step: forward, loss and backward over a group of batches, clip, update; nothing is read back.

Losses and counts stay on the device: reading one (`.item()`) makes the host wait for every kernel queued.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from labkit import distributed, losses
from labkit.data.splits import require_labels
from labkit.evaluate.classify import eval_mode
from labkit.run_folder import LabError
from labkit.train import TrainConfig, gradcache, optimizers, schedules
from labkit.train.precision import DTYPES, choose_layout, choose_precision

Outcome = dict[str, Any]  # loss, correct: scalar tensors on the device; count: int; a step may add more
Loss = Callable[..., Tensor]
Step = Callable[[nn.Module, Any, Any], Outcome]  # model, batch, loss

SUM_KEYS = ("correct", "count")  # parts of an outcome that add up; all others are means over images


def supervised(model: nn.Module, batch, loss: Loss) -> Outcome:
    """Return the loss of one labeled batch, its number of correct predictions, and of images."""
    logits = model(batch.images).float()  # (B, K)
    correct = (logits.argmax(dim=1) == batch.labels).sum()
    return {"loss": loss(logits, batch.labels), "correct": correct, "count": len(logits)}


def contrastive(model: nn.Module, batch, loss: Loss) -> Outcome:
    """Return the loss of a batch of two views; `correct` counts first views nearest to their own second."""
    z1, z2 = _project(model, batch)
    return {"loss": loss(z1, z2), "correct": _count_correct_pairs(z1.detach(), z2.detach()), "count": len(z1)}


def _project(model: nn.Module, batch) -> tuple[Tensor, Tensor]:
    return model(torch.cat(batch.images)).float().chunk(2)  # one pass; (B, D) each


def _count_correct_pairs(z1: Tensor, z2: Tensor) -> Tensor:
    """Count the rows of z1 that lie nearest to their own row of z2, among all other rows of both."""
    z1, z2 = F.normalize(z1, dim=1), F.normalize(z2, dim=1)
    others = (z1 @ z1.T).fill_diagonal_(-2.0)  # a cosine is never below -1
    nearest = torch.cat([z1 @ z2.T, others], dim=1).argmax(dim=1)  # (B, 2B) -> (B,)
    return (nearest == torch.arange(len(z1), device=z1.device)).sum()


def choose_losses(loss: Loss | None, step: Step, model: nn.Module, train, val, config: TrainConfig) -> tuple:
    """Return the losses of training and validation: the caller's, or for the lab's steps the configuration's.

    Without a loss of the caller's, validation is plain cross-entropy, so that runs can be compared.
    Raises LabError where labels are missing or out of range, a class that needs a weight is empty, or the
    batches have not the views that the step compares.
    """
    splits = {"training": train} | ({} if val is None else {"validation": val})
    names = {"class_weights", "label_smoothing", "focal_gamma", "hard_fraction"}
    if (loss is not None or step is not supervised) and (ignored := sorted(names & config.changed)):
        where = "where a loss is given" if loss is not None else "in this step"
        raise LabError(f"{ignored[0]} has no effect {where}; leave it out, or build it into the loss.")
    if step is contrastive:
        need_pairs(splits, accumulate=config.accumulate)
        return (loss or losses.NTXentLoss(),) * 2
    if step is not supervised:
        return loss, loss
    for split, batches in splits.items():
        if (views := getattr(batches, "views", 1)) != 1:
            raise LabError(
                f"The batches of the {split} set hold {views} views of each image, and a supervised step "
                "takes one; build them with views=1, or pass step=contrastive."
            )
    num_classes = getattr(model, "num_classes", None)
    if num_classes is None:
        images = next(iter(train.epoch(0))).images[:2]
        with eval_mode(model.to(train.device)):
            num_classes = model(images).shape[1]
    for split, batches in splits.items():
        require_labels(batches.labels, of=f"{split} set", num_classes=num_classes)
    if loss is not None:
        return loss, loss
    options = {name: getattr(config, name) for name in names}
    return losses.SupervisedLoss(**options, labels=train.labels, num_classes=num_classes), F.cross_entropy


def need_pairs(splits: dict[str, Any], *, accumulate: int) -> None:
    """Raise LabError unless the batches of each set ("training", ...) hold two views of two images or more.

    accumulate: how many batches of the training set meet in one loss; each rank's meet as well.
    """
    for split, batches in splits.items():
        if (views := getattr(batches, "views", 2)) != 2:
            raise LabError(
                f"The batches of the {split} set hold {views} view{'s' * (views > 1)} of each image, and a "
                f"contrastive step compares 2; build them with Batches(..., augment=..., views=2)"
                + (", or leave val out." if split == "validation" else ".")
            )
        ranks, images = getattr(batches, "world_size", 1), getattr(batches, "num_images", 2)
        together = getattr(batches, "batch_size", 2) * ranks
        if min(together * (accumulate if split == "training" else 1), images) < 2:
            alone = f"The batches of the {split} set hold one image, and a picture alone has no negatives"
            raise LabError(f"{alone}: take a batch_size of at least 2, better 128.")
        if 0 < images % together < ranks and not getattr(batches, "drop_last", True):
            raise LabError(f"The last batch of the {split} set has fewer images than ranks; take another batch_size.")


class Learner:
    """A model with everything that changes it: optimizer, schedule, number format, loss scaler.

    `model` is the network itself (its weights are saved); `forward` is what training calls: the same network,
    wrapped for several processes and compiled where config.compile is set.
    """

    def __init__(self, model: nn.Module, config: TrainConfig, *, total_steps: int, device: torch.device):
        self.config, self.device, self.total_steps = config, device, total_steps
        self.precision = choose_precision(config.precision, device)
        self.layout = choose_layout(config.channels_last, model, self.precision, device)
        self.model = model.to(device, memory_format=self.layout)  # type: ignore[call-overload]  # torch lacks this one
        self.forward: Any = self.model
        if distributed.world_size() > 1 and not isinstance(model, nn.parallel.DistributedDataParallel):
            ids = [device.index] if device.type == "cuda" else None
            self.forward = nn.parallel.DistributedDataParallel(self.model, device_ids=ids, gradient_as_bucket_view=True)
        if config.compile:
            mode = config.compile if isinstance(config.compile, str) else None
            torch.use_deterministic_algorithms(torch.are_deterministic_algorithms_enabled(), warn_only=True)  # its own
            self.forward = torch.compile(self.forward, mode=mode)
        self.optimizer = optimizers.build(
            config.optimizer, model, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        warmup = config.warmup_steps
        self.schedule = schedules.build(
            config.schedule,
            total_steps=total_steps,
            warmup_steps=round(config.warmup_fraction * total_steps) if warmup is None else warmup,
            min_factor=config.min_lr / config.lr,
            gamma=config.gamma,
            milestones=config.milestones,
            step_size=config.step_size,
        )
        self._base_lrs = [group["lr"] for group in self.optimizer.param_groups]

    @property
    def lr(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    def update(self, batches: Sequence, step: Step, loss: Loss | None, *, number: int) -> Outcome:
        """Take update `number` from the mean gradient over all images of `batches`; return the outcome."""
        factor = self.schedule(number)
        for group, base in zip(self.optimizer.param_groups, self._base_lrs, strict=True):
            group["lr"] = base * factor
        if step is contrastive and len(batches) > 1 and loss is not None:  # ONE loss over all: see gradcache
            value, z1, z2 = gradcache.backward(
                lambda batch: self.forward_loss(self.forward, batch, _project),
                batches,
                loss,
                model=self.model,
                scale=self.scaler.scale,
                no_sync=self._no_sync,
            )
            outcome: Outcome = {"loss": value, "correct": _count_correct_pairs(z1, z2), "count": len(z1)}
        else:
            outcome = self._backward_each(batches, step, loss)
        if self.config.grad_clip is not None:
            self.scaler.unscale_(self.optimizer)  # the limit is meant for true gradients
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.grad_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return outcome

    def _backward_each(self, batches: Sequence, step: Step, loss: Loss | None) -> Outcome:
        """Sum the gradients of the batches' own losses."""
        outcomes, total = [], 0
        for batch in batches:
            total += len(batch.images if isinstance(batch.images, Tensor) else batch.images[0])
        for position, batch in enumerate(batches):
            with self._no_sync(position < len(batches) - 1):
                outcome = complete(self.forward_loss(self.forward, batch, step, loss), batch)
                # A batch counts by its share of the images, so a short last one weighs less.
                self.scaler.scale(outcome["loss"] * (outcome["count"] / total)).backward()
            for key, value in outcome.items():
                outcome[key] = value.detach() if isinstance(value, Tensor) else value
            outcomes.append(outcome)
        return outcomes[0] if len(outcomes) == 1 else merge(outcomes)

    def forward_loss(self, model: nn.Module, batch, step: Callable[..., Any], *loss: Loss | None) -> Any:
        """Return step(model, batch, loss), computed in the number format and memory layout chosen."""
        if self.layout == torch.channels_last:
            images = tree_map(lambda view: view.contiguous(memory_format=self.layout), batch.images)
            batch = batch._replace(images=images)
        with torch.autocast(self.device.type, DTYPES[self.precision], enabled=self.precision != "fp32"):
            return step(model, batch, *loss)

    def _no_sync(self, wanted: bool) -> AbstractContextManager:
        """Keep several processes from averaging their gradients: they do so once per update, not per batch."""
        no_sync = getattr(self.forward, "no_sync", nullcontext)
        return no_sync() if wanted else nullcontext()

    def state_dict(self) -> dict:
        parts = {"model": self.model, "optimizer": self.optimizer, "scaler": self.scaler}
        return {name: part.state_dict() for name, part in parts.items()}

    def load_state_dict(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scaler.is_enabled() and state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])


def complete(outcome: Any, batch) -> Outcome:
    """Return what a step returned with its number of images. Raises LabError where it holds no loss of one number."""
    found = {"loss": outcome} if isinstance(outcome, Tensor) else outcome
    loss = found.get("loss") if isinstance(found, dict) else None
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        what = f"loss {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(outcome).__name__} without one"
        raise LabError(f'A step returns {{"loss": one number as a tensor, ...}}; this one returned {what}.')
    images = batch.images if isinstance(batch.images, Tensor) else batch.images[0]
    return {"count": len(images)} | found


def merge(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome of several batches as one: counts add up, all else is a mean over the images."""
    total = sum(o["count"] for o in outcomes)
    merged = {key: sum(o[key] * (o["count"] / total) for o in outcomes) for key in outcomes[0]}
    return merged | {key: sum(o[key] for o in outcomes) for key in SUM_KEYS if key in merged}


class MetricAccumulator:
    """Sums of the outcomes of an epoch's steps, which queue device tensors that `flush` reads together.

    `epoch` and `recent` (since the last log row) are sums over images, plain numbers that a checkpoint
    carries exactly. `bad_step` is the first step whose loss was not finite.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.epoch: dict[str, float] = {}
        self.recent: dict[str, float] = {}
        self.bad_step: int | None = None
        self._queue: list[tuple[int, Outcome]] = []

    def add(self, number: int, outcome: Outcome) -> None:
        self._queue.append((number, outcome))

    def flush(self) -> None:
        """Move the queue into the sums: one wait for the device, however many steps are queued."""
        if not self._queue:
            return
        keys = [key for key, value in self._queue[0][1].items() if isinstance(value, Tensor)]
        rows = [torch.stack([o[key].detach() for _, o in self._queue]).float() for key in keys]
        columns = zip(*torch.stack(rows).tolist(), strict=True)  # of each step: one value of each key
        for (number, outcome), column in zip(self._queue, columns, strict=True):
            read = dict(zip(keys, column, strict=True))
            if self.bad_step is None and not math.isfinite(read["loss"]):
                self.bad_step = number
            for key, value in (read | {k: float(v) for k, v in outcome.items() if k not in keys}).items():
                total = value if key in SUM_KEYS else value * outcome["count"]
                self.epoch[key] = self.epoch.get(key, 0.0) + total
                self.recent[key] = self.recent.get(key, 0.0) + total
        self._queue.clear()

    def first_bad_step(self) -> int | None:
        """Return the first step whose loss was not finite, on any process; None where all were."""
        self.flush()
        return min((step for step in distributed.gather_values(self.bad_step) if step is not None), default=None)

    def means(self, prefix: str = "", *, epoch: bool = False) -> dict[str, float]:
        """Return the means, over the images of all processes, since the last call or the epoch's start.

        epoch: of the whole epoch instead; the next one begins.
        """
        self.flush()
        mine, self.recent = self.epoch if epoch else self.recent, {}
        if epoch:
            self.epoch = {}
        sums = distributed.gather_values(mine)  # of a rank that saw no image: {}
        total = {key: sum(part.get(key, 0.0) for part in sums) for part in sums for key in part}
        count = total.pop("count", 0.0)
        return {prefix + ("accuracy" if key == "correct" else key): value / count for key, value in total.items()}

    def state_dict(self) -> dict:
        self.flush()
        return {"epoch": self.epoch, "recent": self.recent}

    def load_state_dict(self, state: dict) -> None:
        self.epoch, self.recent = dict(state["epoch"]), dict(state["recent"])
