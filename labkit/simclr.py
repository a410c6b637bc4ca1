"""The eight modes of the SimCLR lab as data, first weights x pretraining x evaluation, and one function to run one.

The modes, and the figures published for them, are those of Lab 1 of CS 674, Advanced Deep Learning, at Brigham Young
University (https://github.com/BYU-PCCL/advanced-deep-learning). Nothing here imports torch before it is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from labkit import data, evaluate, models, train, transforms
from labkit.run_folder import LabError, RunFolder, unknown_name
from labkit.run_folder.validation import Settings
from labkit.train.config import Count, NotNegative, Positive, TrainConfig

if TYPE_CHECKING:
    from torch import nn

    from labkit.data import Batches, Dataset
    from labkit.evaluate import Evaluation, ProbeEvaluation
    from labkit.train import History
    from labkit.train.step import Loss, Step
    from labkit.transforms import Augmentation


@dataclass(frozen=True)
class Mode:
    """One way to a representation, and how it is evaluated on the downstream set."""

    weights: Literal["random", "pretrained"]
    pretraining: Literal["none", "simclr", "supervised"]  # on the pretraining set
    evaluation: Literal["probe", "finetune"]  # of frozen features, or after training everything
    published: float  # CIFAR-100 test accuracy of CS 674 Lab 1 (BYU), %


MODES = {
    "pretrained": Mode("pretrained", "none", "probe", 84.92),
    "scratch": Mode("random", "none", "probe", 13.96),
    "simclr_scratch": Mode("random", "simclr", "probe", 32.06),
    "supervised_scratch": Mode("random", "supervised", "probe", 32.85),
    "simclr_pretrained": Mode("pretrained", "simclr", "probe", 73.83),
    "supervised_pretrained": Mode("pretrained", "supervised", "probe", 78.10),
    "cifar_supervised_pretrained": Mode("pretrained", "none", "finetune", 86.13),
    "cifar_supervised_scratch": Mode("random", "none", "finetune", 34.97),
}


def get(name: str) -> Mode:
    """Return the mode of a name. Raises LabError where there is none."""
    if name not in MODES:
        raise unknown_name("mode", name, MODES)
    return MODES[name]


class LabSettings(Settings):
    """What one run of the lab may vary; a preset is a filled-in one."""

    model: str = "resnet_tiny"
    weights: str = ""  # a local model folder; "": what belongs to the model
    image_size: Count = 32
    max_steps: Count = 320
    batch_size: Annotated[int, Field(ge=2)] = 128  # a picture alone has no negatives
    lr: Positive = 2e-3  # from random weights
    finetune_lr: Positive = 5e-4  # from pretrained ones, which more would undo
    weight_decay: NotNegative = 5e-4
    projection_dim: Count = 64
    hidden_dim: Count = 128
    temperature: Positive = 0.2
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "fp32"  # small models gain nothing by less
    min_crop_scale: Annotated[float, Field(gt=0, le=1)] = 0.5  # share of the picture's area
    color: NotNegative = 1.0  # strength of the color jitter; 0: none, no grayscale
    blur: bool = False
    difficulty: Annotated[float, Field(ge=0, le=1)] = 0.4  # of `shapes`
    downstream_labels: Count = 2000

    def view(self, size: int, *, flip: float = 0.5) -> Augmentation:
        """Return the random distortion that makes one view of a `size` x `size` image."""
        return transforms.simclr_view(
            size,
            strength=self.color,
            area=(self.min_crop_scale, 1.0),
            flip=flip,
            gray=0.2 if self.color else 0.0,
            blur=self.blur,
        )

    def config(self, seed: int, mode: Mode | None = None) -> TrainConfig:
        """Return the training configuration of a mode: the budget is the same for all."""
        shared = ("max_steps", "batch_size", "weight_decay", "precision")
        own = {name: getattr(self, name) for name in shared}
        lr = self.finetune_lr if mode is not None and mode.weights == "pretrained" else self.lr
        return TrainConfig(optimizer="adamw", lr=lr, schedule="cosine", warmup_fraction=0.1, seed=seed, **own)


FULL = LabSettings(
    model="resnet18",
    max_steps=10_000,
    batch_size=512,
    lr=1e-3,
    projection_dim=128,
    hidden_dim=512,
    temperature=0.5,
    precision="auto",
    min_crop_scale=0.2,
    color=0.5,
    downstream_labels=1_000_000,
)
DINOV3 = {"model": "dinov3_vits16", "image_size": 96, "batch_size": 256, "hidden_dim": 384}  # 96 px: 36 patches
PRESETS = {
    "tiny": LabSettings(),
    "full": FULL,
    "dinov3": FULL.but(**DINOV3, lr=2e-4, finetune_lr=1e-5, weight_decay=0.05),
}


def settings(preset: str, **changes: Any) -> LabSettings:
    """Return a preset's settings with some changed; a change to None or 0 steps keeps the preset's own value.

    Raises LabError for an unknown preset, an unknown setting or a value out of range.
    """
    if preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    if changes.get("max_steps") == 0:
        del changes["max_steps"]
    return PRESETS[preset].but(**{name: value for name, value in changes.items() if value is not None})


def sources(
    name: str,
    *,
    settings: LabSettings,
    root: str | Path | None = None,
    pretrain_dataset: str = "",
    pretrain_dir: str | Path | None = None,
    seed: int = 0,
) -> tuple[Dataset, Dataset]:
    """Return the pretraining set (its labels unread by SimCLR) and the downstream set (of the evaluation).

    name, root: the downstream set; pretrain_dataset, pretrain_dir: another set for pretraining. Without one, `shapes`
    pretrains on other classes, and a real set serves as both: the downstream set then has `downstream_labels` of
    the training images, and half as many validation images, which no training sees. Raises LabError where the data
    cannot be loaded, or the downstream set has no labels.
    """
    shape: dict[str, Any] = {"image_size": settings.image_size, "seed": seed}
    scenes = shape | {"difficulty": settings.difficulty}
    if name == "shapes":
        pool = round(1.5 * min(settings.downstream_labels, 20_000))
        downstream = data.load(name, classes_set="probe", n_train=pool, val_fraction=1 / 3, **scenes)
    else:
        pretrain = data.load(name, root=root or None, **shape)
        downstream = pretrain.subsample(settings.downstream_labels, seed=seed)
    if pretrain_dataset == "shapes" or (not pretrain_dataset and name == "shapes"):
        pretrain = data.load("shapes", classes_set="corpus", **scenes)
    elif pretrain_dataset:
        pretrain = data.load(pretrain_dataset, root=pretrain_dir or None, **shape)
    return pretrain, downstream


def encoder(mode: Mode, *, settings: LabSettings, channels: int = 3, seed: int = 0) -> nn.Module:
    """Return the mode's encoder before any training: (B, C, H, W) -> (B, num_features)."""
    shape = {"image_size": settings.image_size, "channels": channels}
    with _seeded(seed, 1):  # equal first weights in every mode of one seed
        if mode.weights == "pretrained":
            return models.pretrained(settings.model, source=settings.weights, **shape)
        return models.build(settings.model, num_classes=None, **shape)


@contextmanager
def _seeded(seed: int, part: int) -> Iterator[None]:
    """Draw one part's first weights; the caller's generators stay as they are."""
    from labkit.seeding import callers_generators, derive, seed_everything

    with callers_generators():
        seed_everything(derive(seed, part))
        yield


def normalization(encoder: nn.Module, dataset: Dataset) -> dict[str, Any]:
    """Return the mean and std that images get: of the encoder's own pretraining where it has one, else the set's."""
    own = getattr(encoder, "normalization", None)  # of an encoder of one's own it may be a layer
    return own if isinstance(own, dict) else {"mean": dataset.mean, "std": dataset.std}


@dataclass(frozen=True)
class Task:
    """One training in full: what `fit` needs to know."""

    model: nn.Module
    train: Batches
    config: TrainConfig
    step: Step
    loss: Loss | None = None
    val: Batches | None = None

    def fit(self, **record: Any) -> History:
        """Train; record: the options of `labkit.train.fit` about records, such as run, name and monitor."""
        options = {"val": self.val, "config": self.config, "step": self.step, "loss": self.loss}
        return train.fit(self.model, self.train, **options | record)


def pretraining(
    mode: Mode, encoder: nn.Module, dataset: Dataset, *, settings: LabSettings, seed: int = 0
) -> Task | None:
    """Return the training on the pretraining set that the mode requires, or None. It trains the encoder in place."""
    if mode.pretraining == "none":
        return None
    make = simclr_task if mode.pretraining == "simclr" else supervised_task
    return make(encoder, dataset, settings=settings, mode=mode, seed=seed)


def _share(settings: LabSettings) -> dict[str, int]:
    """Return this process's part of every batch: the budget is the same on any number of ranks."""
    from labkit import distributed

    rank, ranks = distributed.rank(), distributed.world_size()
    if settings.batch_size % ranks:
        raise LabError(
            f"A batch of {settings.batch_size} images does not part evenly among {ranks} ranks; "
            "start as many as divide it."
        )
    return {"batch_size": settings.batch_size // ranks, "rank": rank, "world_size": ranks}


def simclr_task(
    encoder: nn.Module, dataset: Dataset, *, settings: LabSettings, mode: Mode | None = None, seed: int = 0
) -> Task:
    """Return the contrastive training of an encoder under a fresh projection head; no label is read."""
    from labkit.losses import NTXentLoss

    with _seeded(seed, 2):
        model = models.SimCLRModel(encoder, projection_dim=settings.projection_dim, hidden_dim=settings.hidden_dim)
    view = settings.view(dataset.image_size, flip=0.5 * dataset.hflip_ok)
    normal = normalization(encoder, dataset)
    views = data.Batches(dataset.train, augment=view, views=2, seed=seed, **normal, **_share(settings))
    return Task(model, views, settings.config(seed, mode), train.contrastive, NTXentLoss(settings.temperature))


def supervised_task(
    encoder: nn.Module, dataset: Dataset, *, settings: LabSettings, mode: Mode | None = None, seed: int = 0
) -> Task:
    """Return the training of an encoder and a fresh linear classifier on the labels of `dataset`."""
    if dataset.train.labels is None:
        raise LabError(
            f"{dataset.name} has no labels, so supervised training on it is not possible; "
            "choose mode=simclr_scratch or a labeled data set."
        )
    with _seeded(seed, 2):
        model = models.SupervisedModel(encoder, dataset.num_classes)
    flip = 0.5 * dataset.hflip_ok
    crop = transforms.simclr_view(dataset.image_size, strength=0.0, gray=0.0, area=(0.6, 1.0), flip=flip)
    normal, share = normalization(encoder, dataset), _share(settings)
    batches = data.Batches(dataset.train, augment=crop, seed=seed, **normal, **share)
    val = data.Batches.evaluation(dataset.val, **normal, **share | {"batch_size": 256})
    return Task(model, batches, settings.config(seed, mode), train.supervised, val=val)


@dataclass(frozen=True)
class ModeRun:
    """What one mode gave. On ranks above 0, which do not evaluate, `probes` and `finetuned` are None."""

    encoder: nn.Module
    history: History | None  # of the last training, where the mode has one
    probes: ProbeEvaluation | None  # of the frozen encoder, before any fine-tuning
    finetuned: Evaluation | None  # on the downstream test images
    results: dict[str, Any]  # for `run.summarize`


def run_mode(
    name: str,
    pretrain_set: Dataset,
    downstream_set: Dataset,
    *,
    settings: LabSettings,
    seed: int = 0,
    run: RunFolder | None = None,
    cache: Path | None = None,
) -> ModeRun:
    """Take an encoder through one mode: pretraining, probes of its frozen features, fine-tuning.

    The sets are those of `sources`. Every rank of a process group calls it with the same arguments: batches are
    shared, rank 0 evaluates. run: where the fits "pretraining" and "finetune" are recorded. cache: a folder that
    keeps features (`evaluate.cached_features`). Raises what `fit` raises.
    """
    from labkit import distributed
    from labkit.data.batches import pick_device

    mode, main = get(name), distributed.is_main()
    record: dict[str, Any] = {"run": run, "progress": False}
    net = encoder(mode, settings=settings, channels=pretrain_set.channels, seed=seed).to(pick_device())
    normal = normalization(net, pretrain_set)

    def knn(_: nn.Module) -> dict[str, float]:
        splits = (downstream_set.train, downstream_set.val) if main else ()
        found = [evaluate.cached_features(net, split, **normal) for split in splits]
        accuracy = evaluate.knn_accuracy(*found[0], *found[1]) if main else None
        return {"knn": distributed.broadcast_value(accuracy)}

    history, finetuned = None, None
    if task := pretraining(mode, net, pretrain_set, settings=settings, seed=seed):
        history = task.fit(name="pretraining", monitor=knn, best_by="knn", **record)
    probes = evaluate.evaluate_linear_head(net, downstream_set, **normal, cache=cache) if main else None
    if mode.evaluation == "finetune":
        task = supervised_task(net, downstream_set, settings=settings, mode=mode, seed=seed)
        history = task.fit(name="finetune", **record)
        if main:
            own = normalization(net, downstream_set)
            finetuned = evaluate.evaluate(task.model, data.Batches.evaluation(downstream_set.test, 256, **own))
    images = history.images * distributed.world_size() if history else 0
    results: dict[str, Any] = {"steps": history.step if history else 0, "images_seen": images}
    if probes is not None:
        linear, nearest = probes.linear, probes.knn
        results |= {"linear": linear.accuracy, "l2": linear.l2, "knn": nearest.accuracy, "k": nearest.k}
        results |= {"test_images": len(probes.features["test"][0]), "main": "accuracy"}
        results["accuracy"] = finetuned.accuracy if finetuned else linear.accuracy
    results |= {
        "mode": name,
        "model": settings.model,
        "pretrain_dataset": pretrain_set.name,
        "downstream_dataset": downstream_set.name,
        "budget_steps": settings.max_steps,
        "seed": seed,
    }
    return ModeRun(net, history, probes, finetuned, results)
