"""THE loop: `fit` trains any model of the lab, records what happens, and can be stopped and resumed."""

import math
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import islice
from types import FrameType
from typing import Any

import torch
from torch import nn

from labkit.distributed import broadcast_value, is_main, rank, world_size
from labkit.evaluate.classify import eval_mode
from labkit.run_folder import RUN_DIR_VARIABLE, Interrupted, LabError, RunFolder, current_run, unknown_name
from labkit.seeding import callers_generators, derive, seed_everything
from labkit.train import TrainConfig
from labkit.train.checkpoint import (
    Checkpointer,
    checkpoint_paths,
    describe_callable,
    digest,
    fingerprint,
    load,
    require_same_model,
)
from labkit.train.step import Learner, Loss, MetricAccumulator, Step, choose_losses, complete, supervised
from labkit.train.tracking import Progress, Tracker, screen


@dataclass
class History:
    """The record of a fit and where it stands. Steps and epochs count from 1; a row holds the state after its step."""

    name: str
    best_by: str = "val_accuracy"
    precision: str = ""
    epochs: list[dict] = field(default_factory=list)  # train_loss, train_accuracy, lr, val_loss, ...
    steps: list[dict] = field(default_factory=list)  # loss, accuracy: means since the row before; lr
    stopped_because: str = ""  # "epochs", "max_steps" or "target"; "" while running
    step: int = 0  # updates done
    epoch: int = 0  # epochs done
    batch: int = 0  # batches done of the running epoch
    images: int = 0  # images trained on by this process
    seconds: float = field(default=0.0, compare=False)  # spent training, evaluation left out
    epoch_seconds: list[float] = field(default_factory=list, compare=False)
    clock: float = field(default=0.0, compare=False, repr=False)

    @property
    def images_per_second(self) -> float:
        """Images trained on per second by this process, evaluation left out."""
        return self.images / self.seconds if self.seconds else math.nan

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the best value of `best_by`, the earliest of equals; None where there is none."""
        key = self.best_by.removeprefix("-")
        sign = -1 if self.best_by.startswith("-") or key.endswith("loss") else 1
        rows = [row for row in self.epochs if not math.isnan(row.get(key, math.nan))]
        return max(rows, key=lambda row: sign * row[key])["epoch"] if rows else None  # max keeps the first

    def column(self, key: str) -> list[float]:
        """Return one quantity over the epochs in which it was measured."""
        return [row[key] for row in self.epochs if key in row]

    def state_dict(self) -> dict:
        return asdict(self)

    def load_state_dict(self, state: dict) -> None:
        self.__dict__.update(state)

    def stop_clock(self) -> None:
        """Count the time since the clock was last looked at; the device must have been waited for."""
        now = time.perf_counter()
        self.seconds, self.clock = self.seconds + now - self.clock, now

    def row(self, kind: str, means: dict[str, float], lr: float) -> dict:
        """Return a row of the record about the running epoch."""
        place = {"fit": self.name, "kind": kind, "step": self.step, "epoch": self.epoch + 1}
        return place | means | {"lr": lr}


class InterruptHandler:
    """Lets Ctrl-C, or Jupyter's stop button, wait for the end of a step; pressed again, it stops at once.

    Several processes agree on a stop of their run; as that is a wait, they do so at every `every`-th step alone.
    """

    def __init__(self, run: RunFolder, fit: str, *, every: int):
        self.run, self.fit, self.every = run, fit, every
        self.pressed, self.alone = False, world_size() == 1

    def __enter__(self) -> "InterruptHandler":
        main = threading.current_thread() is threading.main_thread()
        ours = main and self.alone and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        self._before = signal.signal(signal.SIGINT, self._press) if ours else None
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _press(self, number: int, frame: FrameType | None) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True

    def reason(self, step: int) -> BaseException | None:
        """Return what to raise before update `step` where a stop was requested, or None."""
        if self.pressed:
            return KeyboardInterrupt(f"saved step {step} of {self.fit!r}; fit(..., resume=True) goes on")
        if self.alone:
            requested = self.run.stop_requested()
        else:
            requested = step % self.every == 0 and broadcast_value(is_main() and self.run.stop_requested())
        if not requested:
            return None
        return Interrupted(f"{self.fit!r} was asked to stop and has saved step {step}; resume the run to go on")


@callers_generators()
def fit(
    model: nn.Module,
    train,
    *,
    config: TrainConfig,
    val=None,
    step: Step = supervised,
    loss: Loss | None = None,
    run: RunFolder | None = None,
    name: str = "model",
    monitor: Callable[[nn.Module], dict[str, float]] | None = None,
    best_by: str = "val_accuracy",
    resume: bool | None = None,
    progress: bool | None = None,
    tracker: Tracker | None = None,
) -> History:
    """Train `model` on `train` and leave it with its last weights, in eval mode (`load_best` gives the best).

    train, val: `Batches`. step: what a batch means: `supervised`, `contrastive` or yours. loss: by default
    the configuration's. monitor: called with the model after each epoch, adds numbers to its row. best_by:
    which number of that row chooses `best.pt`; the highest wins, of a loss or with a leading "-" the lowest.
    Three seeds: the model's first weights are the caller's, `Batches(seed=...)` orders and augments, `config.seed`
    draws within the model (dropout). The caller's generators come back as they were.

    Records go to `run` under `name`. A call is a new training, unless `resume=True`, or a runner started this
    process (LABKIT_RUN_DIR) and the same call, counted by name, was interrupted: then training goes on from the
    checkpoint, as far as `config` says now. `resume=False` always starts anew. Raises Interrupted, after saving,
    where the run has a stop request; LabError for bad labels, a loss that is not finite, and a checkpoint to go
    on from that had another model, step, loss, data, augmentation or configuration.
    """
    for role, batches in {"train": train, "val": val}.items():
        if batches is not None and not hasattr(batches, "epoch"):
            kind = type(batches).__name__
            raise LabError(f"fit trains on Batches, and {role} is a {kind}: pass Batches((images, labels), 128).")
    run = run or current_run()
    _calls[place := f"{run.path.resolve()}:{name}"] += 1
    wanted, has = config.batch_size, train.batch_size
    if "batch_size" in config.model_fields_set and wanted not in (has, has * world_size()):
        raise LabError(f"The configuration says batch_size={wanted}, the batches hold {has}; make them agree.")
    if config.target_accuracy is not None and val is None:
        raise LabError("target_accuracy is measured on validation images: pass val=Batches.evaluation(...).")
    loss, val_loss = choose_losses(loss, step, model, train, val, config)
    seed_everything(config.seed if rank() == 0 else derive(config.seed, rank()), config.deterministic)
    learner = Learner(model, config, total_steps=count_steps(config, len(train)), device=train.device)
    model.trained_on = getattr(train, "normalize", None)  # type: ignore[assignment]  # `evaluate` compares
    history, metrics = History(name, best_by, learner.precision), MetricAccumulator(learner.device)
    parts = {"learner": learner, "history": history, "metrics": metrics}
    setup = _setup(learner.model, config, train, val, step, loss) | {"call": _calls[place]}
    checkpointer = Checkpointer(run, name, parts=parts, setup=setup)
    may = resume or (resume is None and os.environ.get(RUN_DIR_VARIABLE))
    if not (may and checkpointer.restore(None if resume else _calls[place])):
        checkpointer.forget()
    elif history.batch == 0 and history.best_epoch == history.epoch > 0:
        checkpointer.repair_best(history.epoch)
    if history.step < learner.total_steps and history.stopped_because != "target":
        history.stopped_because = ""  # the training was made longer
    elif history.step > learner.total_steps:
        past = f"{checkpointer.last} stands at step {history.step}"
        raise LabError(f"{past}, past the {learner.total_steps} of this configuration; raise epochs or max_steps.")
    if is_main():
        run.truncate_metrics(name, history.step)  # rows after the checkpoint come again
    if history.stopped_because:
        learner.model.eval()
        if progress is not False and is_main():  # so that nobody takes the old record for a new training
            done = f"{name}: finished before, at step {history.step}"
            print(f"{done}; nothing was trained again (resume=False would)", file=screen(), flush=True)
        return history

    mirrors = (tracker := tracker or Tracker(run)).begin(name, history.step, checkpointer.setup)
    display = Progress(name, learner.total_steps, step=history.step, show=progress)
    with mirrors, display, InterruptHandler(run, name, every=config.log_every) as interrupt:
        while not history.stopped_because:
            learner.forward.train()
            for part in learner.model.modules():  # what is frozen stays as it is: BatchNorm would go on to average
                if (own := list(part.parameters())) and not any(p.requires_grad for p in own):
                    part.eval()
            history.clock = time.perf_counter()
            batches = iter(train.epoch(history.epoch, start=history.batch))
            groups = iter(lambda: list(islice(batches, config.accumulate)), [])  # noqa: B023  # the last may be smaller
            for group in islice(groups, learner.total_steps - history.step):
                stop = interrupt.reason(history.step)
                if stop or (history.batch > 0 and history.step % (config.checkpoint_every_steps or math.inf) == 0):
                    _require_finite(metrics, checkpointer, config)
                    history.stop_clock()
                    checkpointer.save()
                if stop:
                    raise stop

                outcome = learner.update(group, step, loss, number=history.step)
                history.step += 1
                history.batch += len(group)
                history.images += outcome["count"]
                metrics.add(history.step, outcome)
                if history.step % config.log_every == 0:
                    row = history.row("step", metrics.means(), learner.lr)
                    _require_finite(metrics, checkpointer, config)
                    history.steps.append(row)
                    tracker.log(row)
                    display.advance(row)

            row = history.row("epoch", metrics.means("train_", epoch=True), learner.lr)
            _require_finite(metrics, checkpointer, config)
            history.stop_clock()
            last = history.step >= learner.total_steps
            for buffer in learner.model.buffers() if world_size() > 1 else ():  # BatchNorm's statistics of rank 0,
                torch.distributed.broadcast(buffer, 0)  # whose model is saved, are those that are evaluated
            evaluated = last or (history.epoch + 1) % config.evaluate_every == 0
            if evaluated and val is not None:
                row |= validate(learner, val, step, val_loss)
            if monitor is not None:
                row |= broadcast_value({key: float(value) for key, value in monitor(learner.model.eval()).items()})
            key = best_by.removeprefix("-")
            if evaluated and key not in row and best_by != "val_accuracy":  # without val there is no best epoch
                raise unknown_name("number to choose the best epoch by", key, set(row) - {"fit", "kind", "step"})
            history.epochs.append(row)
            history.epoch_seconds.append(history.seconds - sum(history.epoch_seconds))
            history.epoch, history.batch = history.epoch + 1, 0
            recent, target = history.column("val_accuracy")[-config.patience :], config.target_accuracy
            if target is not None and len(recent) == config.patience and min(recent) >= target:
                history.stopped_because = "target"
            elif last:
                history.stopped_because = "epochs" if history.epoch == config.epochs else "max_steps"
            tracker.log(row)
            display.epoch(row, history.epoch_seconds[-1])
            is_best = history.best_epoch == history.epoch
            if is_best or history.stopped_because or history.epoch % config.checkpoint_every == 0:
                checkpointer.save(best_epoch=history.epoch if is_best else None)

    learner.model.eval()
    if is_main():
        seconds, speed = round(history.seconds, 3), round(history.images_per_second * world_size(), 1)
        timings: dict[str, Any] = {f"{name}_seconds": seconds, f"{name}_images_per_second": speed}
        run.record_timings(**timings)
    return history


def load_best(model: nn.Module, run: RunFolder, name: str = "model") -> int:
    """Give `model` the weights of the fit's best epoch, in eval mode, and return that epoch.

    Raises LabError where the fit measured nothing to choose by, or where its model was another one.
    """
    _, path = checkpoint_paths(run, name)
    state = load(path)
    require_same_model(path, state["fingerprint"], fingerprint(model))
    model.load_state_dict(state["model"])
    model.eval()
    return state["epoch"]


_calls: Counter[str] = Counter()  # of fit, by run and name, in this process


def validate(learner: Learner, val, step: Step, loss: Loss | None) -> dict[str, float]:
    """Return val_loss, val_accuracy and the step's other numbers over the whole of `val`, in eval mode."""
    metrics = MetricAccumulator(learner.device)
    with eval_mode(learner.model):
        for number, batch in enumerate(val.epoch(0), start=1):
            metrics.add(number, complete(learner.forward_loss(learner.model, batch, step, loss), batch))
        return metrics.means("val_", epoch=True)


def count_steps(config: TrainConfig, batches_per_epoch: int) -> int:
    """Return the number of updates of a configuration: of epochs and max_steps, the smaller."""
    per_epoch = math.ceil(batches_per_epoch / config.accumulate)
    return min(n for n in (config.epochs and config.epochs * per_epoch, config.max_steps) if n is not None)


def _setup(model: nn.Module, config: TrainConfig, train, val, step: Step, loss: Loss | None) -> dict:
    """Return what two attempts at one fit must share: their results are those of one training."""
    free = {"checkpoint_every", "checkpoint_every_steps", "compile"}
    data = {"images": train.num_images, "batch_size": train.batch_size, "batch_seed": train.seed}
    ways = {"step": step, "loss": loss, "augment": getattr(train, "augment", None)}
    shared = config.model_dump(exclude=free) | data | {"processes": world_size()}
    shared |= {name: f"{describe_callable(way)} {digest(way)}" for name, way in ways.items()}
    shared["modules"] = digest(repr(model), *map(type, model.modules()))
    for name, batches in {"training": train, "validation": val}.items():
        if split := getattr(batches, "split", None):
            rows = torch.linspace(0, len(split.images) - 1, min(len(split.images), 32)).long()
            pixels = len(split.images), split.images[rows], batches.normalize.slope, batches.normalize.offset
            shared[f"{name} images"] = digest(*pixels)
            shared[f"{name} labels"] = digest(batches.labels, batches.shuffle, batches.drop_last)
    return shared


def _require_finite(metrics: MetricAccumulator, checkpointer: Checkpointer, config: TrainConfig) -> None:
    """Raise LabError, naming the step, where a loss was not finite; the checkpoints stay as they are."""
    step, last = metrics.first_bad_step(), checkpointer.last
    if step is not None:
        kept = f"{last} keeps the last good state" if last.exists() else "Nothing was saved yet"
        raise LabError(
            f"The loss is not finite at step {step}; training stops. {kept}. Lower lr (now "
            f"{config.lr:g}) or set grad_clip, for example to 1.0, and train anew with resume=False."
        )
