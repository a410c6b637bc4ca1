"""THE loop: `fit` trains any model of the lab, records what happens, and can be stopped and resumed at any step."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit import losses
from labkit.checkpoint import Keeper, all_finite, checkpoint_paths, describe, load, require_same_model
from labkit.config import TrainConfig
from labkit.distributed import broadcast_flag, is_main, rank, world_size
from labkit.errors import Interrupted, LabError, unknown_name
from labkit.records import RunFolder, current_run
from labkit.seeding import derive, seed_everything
from labkit.steps import Learner, Step, Tally, contrastive, groups, supervised
from labkit.tracking import Progress, Tracker


@dataclass
class History:
    """What a fit has seen and where it stands. Steps and epochs count from 1: a row holds what was so after it."""

    name: str
    best_by: str = "val_accuracy"
    precision: str = ""
    epochs: list[dict] = field(default_factory=list)    # train_loss, train_accuracy, val_loss, val_accuracy, lr, ...
    steps: list[dict] = field(default_factory=list)     # loss, accuracy: means since the row before; lr
    stopped_because: str = ""                           # "" while running, else "epochs", "max_steps" or "target"
    step: int = 0                                       # updates done
    epoch: int = 0                                      # epochs done
    batch: int = 0                                      # batches done of the running epoch
    images: int = 0                                     # images trained on by this process
    seconds: float = field(default=0.0, compare=False)  # spent training, evaluation left out
    epoch_seconds: list[float] = field(default_factory=list, compare=False)
    clock: float = field(default=0.0, compare=False, repr=False)

    @property
    def images_per_second(self) -> float:
        """Images trained on per second by this process, evaluation left out."""
        return self.images / self.seconds if self.seconds else math.nan

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the best value of `best_by`, the earliest of equals; None where it was never measured."""
        key, sign = self.best_by.removeprefix("-"), -1 if self.best_by.startswith("-") else 1
        rows = [row for row in self.epochs if not math.isnan(row.get(key, math.nan))]
        return max(rows, key=lambda row: sign * row[key])["epoch"] if rows else None    # max keeps the first

    def column(self, key: str) -> list[float]:
        """Return one quantity over the epochs in which it was measured."""
        return [row[key] for row in self.epochs if key in row]

    def state_dict(self) -> dict:
        return asdict(self)

    def load_state_dict(self, state: dict) -> None:
        self.__dict__.update(state)

    def start_clock(self) -> None:
        self.clock = time.perf_counter()

    def stop_clock(self) -> None:
        """Count the time since the last look; right only where the device has been waited for."""
        now = time.perf_counter()
        self.seconds, self.clock = self.seconds + now - self.clock, now

    def advance(self, batches: int, images: int) -> None:
        self.step, self.batch, self.images = self.step + 1, self.batch + batches, self.images + images

    def step_row(self, means: dict[str, float], lr: float) -> dict:
        row = {"fit": self.name, "kind": "step", "step": self.step, "epoch": self.epoch + 1} | means | {"lr": lr}
        self.steps.append(row)
        return row

    def epoch_row(self, means: dict[str, float], lr: float) -> dict:
        self.stop_clock()
        self.epoch_seconds.append(self.seconds - sum(self.epoch_seconds))
        return {"fit": self.name, "kind": "epoch", "step": self.step, "epoch": self.epoch + 1} | means | {"lr": lr}

    def finish_epoch(self, row: dict) -> None:
        self.epochs.append(row)
        self.epoch, self.batch = self.epoch + 1, 0


def fit(
    model: nn.Module,
    train,
    *,
    config: TrainConfig,
    val=None,
    step: Step = supervised,
    loss: Callable | None = None,
    run: RunFolder | None = None,
    name: str = "model",
    monitor: Callable[[nn.Module], dict[str, float]] | None = None,
    best_by: str = "val_accuracy",
    resume: bool = True,
    progress: bool | None = None,
    tracker: Tracker | None = None,
) -> History:
    """Train `model` on `train` and leave it with its last weights, in eval mode.

    train, val: `Batches`. step: what one batch means (`supervised`, `contrastive` or yours). loss: by default the
    one the configuration describes. monitor: called with the model after each epoch, adds numbers to the epoch's
    row. best_by: the row's number that chooses `best.pt`; the highest wins, with a leading "-" the lowest.

    Records go to `run` under `name`. Where `run` holds a checkpoint of that name, training goes on from it (if it
    was finished, its history comes back at once); `resume=False` starts anew. Raises Interrupted, after saving,
    where the run is asked to stop; LabError for labels out of range, a loss that is no number, a foreign checkpoint.
    """
    run = run or current_run()
    _check(config, train, val)
    loss, val_loss = _choose_losses(loss, step, model, train, val, config)
    seed_everything(config.seed if rank() == 0 else derive(config.seed, rank()), config.deterministic)
    learner = Learner(model, config, total_steps=count_steps(config, len(train)), device=train.device)
    history, tally = History(name, best_by, learner.precision), Tally(learner.device)
    parts = {"learner": learner, "history": history, "tally": tally}
    keeper = Keeper(run, name, parts=parts, setup=_setup(config, train))
    _begin(keeper, history, run, resume)
    if history.stopped_because:
        learner.model.eval()
        return history
    tracker = tracker or Tracker(run, fit=name, step=history.step)

    with tracker, Progress(name, learner.total_steps, step=history.step, show=progress) as display:
        while not history.stopped_because:
            learner.forward.train()
            history.start_clock()
            batches = train.epoch(history.epoch, start=history.batch)
            for group in islice(groups(batches, config.accumulate), learner.total_steps - history.step):
                stop = _stop_requested(run, history.step, config)
                if stop or _save_due(history, config):
                    _require_finite(tally, keeper, config)
                    history.stop_clock()
                    keeper.save()
                if stop:
                    raise Interrupted(f"Fit {name!r} was asked to stop and has saved step {history.step}.")

                outcome = learner.update(group, step, loss, number=history.step)
                history.advance(len(group), outcome["count"])
                tally.add(history.step, outcome)
                if history.step % config.log_every == 0:
                    row = history.step_row(tally.recent_means(), learner.lr)
                    _require_finite(tally, keeper, config)
                    tracker.log(row)
                    display.advance(row)

            row = history.epoch_row(tally.epoch_means("train_"), learner.lr)
            _require_finite(tally, keeper, config)
            last = history.step == learner.total_steps
            if val is not None and (last or (history.epoch + 1) % config.evaluate_every == 0):
                row |= validate(learner, val, step, val_loss)
            if monitor is not None:
                row |= {key: float(value) for key, value in monitor(learner.model.eval()).items()}
            history.finish_epoch(row)
            history.stopped_because = _why_stop(history, config, last)
            tracker.log(row)
            display.epoch(row, history.epoch_seconds[-1])
            is_best = history.best_epoch == history.epoch
            if is_best or history.stopped_because or history.epoch % config.checkpoint_every == 0:
                keeper.save(best_epoch=history.epoch if is_best else None)

    learner.model.eval()
    _record_speed(run, history)
    return history


def load_best(model: nn.Module, run: RunFolder, name: str = "model") -> int:
    """Give `model` the weights of the fit's best epoch, in eval mode; return that epoch. Raises LabError."""
    _, path = checkpoint_paths(run, name)
    state = load(path)
    require_same_model(path, state["origin"], describe(model))
    model.load_state_dict(state["model"])
    model.eval()
    return state["epoch"]


@torch.inference_mode()
def validate(learner: Learner, val, step: Step, loss: Callable | None) -> dict[str, float]:
    """Return val_loss, val_accuracy and the step's other numbers over the whole of `val`, in eval mode."""
    learner.model.eval()
    tally = Tally(learner.device)
    for number, batch in enumerate(val.epoch(0), start=1):
        tally.add(number, learner.look(learner.model, batch, step, loss))
    return tally.epoch_means("val_")


def count_steps(config: TrainConfig, batches_per_epoch: int) -> int:
    """Return how many updates the configuration asks for: of epochs and max_steps, the smaller."""
    by_epochs = math.inf if config.epochs is None else config.epochs * -(-batches_per_epoch // config.accumulate)
    return int(min(by_epochs, config.max_steps or math.inf))


def _check(config: TrainConfig, train, val) -> None:
    """Raise LabError for settings that contradict the data given."""
    asked, has = config.batch_size, train.batch_size
    if "batch_size" in config.model_fields_set and asked not in (has, has * world_size()):
        raise LabError(f"The configuration says batch_size={asked}, but the batches hold {has}; make them agree.")
    if config.target_accuracy is not None and val is None:
        raise LabError("target_accuracy is measured on the validation set; pass val=Batches.evaluation(...).")
    if len(train) == 0:
        raise LabError("The training set has no full batch; take a smaller batch_size or drop_last=False.")


def _choose_losses(loss, step: Step, model: nn.Module, train, val, config: TrainConfig) -> tuple:
    """Return the losses of training and validation. Without a loss of the caller's, validation is unweighted."""
    if step is contrastive:
        return (loss or losses.NTXentLoss(),) * 2
    if step is not supervised:
        return loss, loss
    num_classes = _count_classes(model, train)
    for split, batches in {"training": train, "validation": val}.items():
        if batches is not None:
            _check_labels(batches.labels, num_classes, split)
    if loss is not None:
        return loss, loss
    options = {key: getattr(config, key) for key in
               ("class_weights", "label_smoothing", "focal_gamma", "hard_fraction")}  # fmt: skip
    return losses.supervised_loss(**options, labels=train.labels, num_classes=num_classes), F.cross_entropy


def _count_classes(model: nn.Module, train) -> int:
    known = getattr(model, "num_classes", None)
    if known is not None:
        return known
    batch = next(iter(train.epoch(0)))
    with torch.inference_mode():
        return model.to(train.device).eval()(batch.images[:2]).shape[1]


def _check_labels(labels: Tensor | None, num_classes: int, split: str) -> None:
    if labels is None:
        raise LabError(f"The {split} set has no labels, which supervised training needs; choose another split.")
    low, high = labels.min().item(), labels.max().item()
    if low < 0 or high >= num_classes:
        raise LabError(
            f"Label {low if low < 0 else high} of the {split} set is out of range: the model has {num_classes} "
            f"classes, so labels go from 0 to {num_classes - 1}. Build the model with more classes or mend the labels."
        )


def _setup(config: TrainConfig, train) -> dict:
    """Return what must stay the same between two attempts at one fit."""
    free = {"checkpoint_every", "checkpoint_every_steps", "compile"}
    data = {"images": train.num_images, "batch_size": train.batch_size, "batch_seed": train.seed}
    return config.model_dump(exclude=free) | data | {"processes": world_size()}


def _begin(keeper: Keeper, history: History, run: RunFolder, resume: bool) -> None:
    """Go on from the last checkpoint, or start anew; rows after it are dropped, for they will be written again."""
    if not resume:
        keeper.forget()
    elif keeper.restore() and history.batch == 0 and history.best_epoch == history.epoch:
        keeper.repair_best(history.epoch)
    if is_main():
        run.truncate_metrics(history.name, history.step)


def _stop_requested(run: RunFolder, step: int, config: TrainConfig) -> bool:
    """Look for a request to stop; several processes agree on it, and only now and then, because that costs a wait."""
    if world_size() == 1:
        return run.stop_requested()
    return step % config.log_every == 0 and broadcast_flag(is_main() and run.stop_requested())


def _save_due(history: History, config: TrainConfig) -> bool:
    every = config.checkpoint_every_steps
    return every is not None and history.batch > 0 and history.step % every == 0


def _require_finite(tally: Tally, keeper: Keeper, config: TrainConfig) -> None:
    """Raise LabError, naming the step, where a loss was no number; the checkpoints stay as they are."""
    step = tally.first_bad_step()
    if step is not None:
        kept = f"{keeper.last} keeps the last good state" if keeper.last.exists() else "Nothing was saved before"
        raise LabError(
            f"The loss is no finite number at step {step}; training stops. {kept}. Lower lr (it is {config.lr:g}) "
            "or set grad_clip, for example to 1.0, and train anew with resume=False."
        )


def _why_stop(history: History, config: TrainConfig, last: bool) -> str:
    """Return why training ends now, or "" where it goes on."""
    reached = history.column("val_accuracy")[-config.patience :]
    if config.target_accuracy is not None and len(reached) == config.patience and min(reached) >= config.target_accuracy:
        return "target"
    ran_out = config.epochs is not None and history.epoch == config.epochs
    return ("epochs" if ran_out else "max_steps") if last else ""


def _record_speed(run: RunFolder, history: History) -> None:
    if is_main():
        seconds, speed = round(history.seconds, 3), round(history.images_per_second * world_size(), 1)
        run.record_timings(**{f"{history.name}_seconds": seconds, f"{history.name}_images_per_second": speed})
