"""The eight training modes of the SimCLR lab, as data: first weights x pretraining x examination."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from labkit import data, distributed, models, transforms
from labkit.data.batches import Batches
from labkit.data.splits import Dataset
from labkit.losses import NTXentLoss
from labkit.run_folder import LabError, unknown_name
from labkit.seeding import derive, seed_everything
from labkit.train import TrainConfig
from labkit.train.config import Count, NotNegative, Positive, Settings
from labkit.train.step import contrastive, supervised


@dataclass(frozen=True)
class Mode:
    """One way to a representation, and how it is examined on the probe set."""

    weights: Literal["random", "pretrained"]
    pretraining: Literal["none", "simclr", "supervised"]  # on the corpus
    examination: Literal["probe", "end to end"]  # frozen features, or training of everything
    published: float  # CIFAR-100 test accuracy of the original lab, %


MODES = {
    "pretrained": Mode("pretrained", "none", "probe", 84.92),
    "scratch": Mode("random", "none", "probe", 13.96),
    "simclr_scratch": Mode("random", "simclr", "probe", 32.06),
    "supervised_scratch": Mode("random", "supervised", "probe", 32.85),
    "simclr_pretrained": Mode("pretrained", "simclr", "probe", 73.83),
    "supervised_pretrained": Mode("pretrained", "supervised", "probe", 78.10),
    "cifar_supervised_pretrained": Mode("pretrained", "none", "end to end", 86.13),
    "cifar_supervised_scratch": Mode("random", "none", "end to end", 34.97),
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
    gentle_lr: Positive = 5e-4  # from pretrained ones, which more would undo
    weight_decay: NotNegative = 5e-4
    projection_dim: Count = 64
    hidden_dim: Count = 128
    temperature: Positive = 0.2
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "fp32"  # small models gain nothing by less
    smallest_crop: Annotated[float, Field(gt=0, le=1)] = 0.5  # share of the picture's area
    colour: NotNegative = 1.0  # strength of the colour distortions; 0: none, no grey
    blur: bool = False
    difficulty: Annotated[float, Field(ge=0, le=1)] = 0.4  # of `shapes`
    probe_labels: Count = 2000

    def view(self, size: int, *, flip: float = 0.5) -> transforms.Augmentation:
        """Return the random distortion that makes one view of a `size` x `size` image."""
        return transforms.simclr_view(
            size,
            strength=self.colour,
            area=(self.smallest_crop, 1.0),
            flip=flip,
            gray=0.2 if self.colour else 0.0,
            blur=self.blur,
        )

    def config(self, seed: int, mode: Mode | None = None) -> TrainConfig:
        """Return how long and with what any of the modes trains: the budget is the same for all."""
        shared = ("max_steps", "batch_size", "weight_decay", "precision")
        own = {name: getattr(self, name) for name in shared}
        lr = self.gentle_lr if mode is not None and mode.weights == "pretrained" else self.lr
        return TrainConfig(optimizer="adamw", lr=lr, schedule="cosine", warmup_fraction=0.1, seed=seed, **own)


PRESETS = {
    "tiny": LabSettings(),
    "full": LabSettings(
        model="resnet18",
        max_steps=10_000,
        batch_size=512,
        lr=1e-3,
        projection_dim=128,
        hidden_dim=512,
        temperature=0.5,
        precision="auto",
        smallest_crop=0.2,
        colour=0.5,
        probe_labels=1_000_000,
    ),
    "dinov3": LabSettings(
        model="dinov3_vits16",
        image_size=96,
        max_steps=10_000,
        batch_size=256,
        lr=2e-4,
        gentle_lr=1e-5,
        weight_decay=0.05,
        projection_dim=128,
        hidden_dim=384,
        temperature=0.5,
        precision="auto",
        smallest_crop=0.2,
        colour=0.5,
        probe_labels=1_000_000,
    ),  # 36 patches: small images are enlarged to 96 px
}


def settings(preset: str, **changes) -> LabSettings:
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
    root: str | None = None,
    corpus: str = "",
    corpus_root: str | None = None,
    seed: int = 0,
) -> tuple[Dataset, Dataset]:
    """Return the corpus (learnt from without labels) and the probe set (the examination).

    name, root: the probe set; corpus, corpus_root: another set to learn from. Without one, `shapes` has a
    corpus of other classes, and a real set is both: the probe set then keeps `probe_labels` of the training
    images and half as many of the others to choose on, which no training sees. Raises LabError where the data
    cannot be loaded, or the probe set has no labels.
    """
    shape = {"image_size": settings.image_size, "seed": seed}
    scenes = shape | {"difficulty": settings.difficulty}
    if name == "shapes":
        pool = round(1.5 * min(settings.probe_labels, 20_000))
        probe = data.load(name, classes_set="probe", n_train=pool, val_fraction=1 / 3, **scenes)
    else:
        learnt = data.load(name, root=root or None, **shape)
        probe = learnt.subsample(settings.probe_labels, seed=seed)
    if corpus == "shapes" or (not corpus and name == "shapes"):
        learnt = data.load("shapes", classes_set="corpus", **scenes)
    elif corpus:
        learnt = data.load(corpus, root=corpus_root or None, **shape)
    return learnt, probe


def encoder(mode: Mode, *, settings: LabSettings, channels: int = 3, seed: int = 0) -> nn.Module:
    """Return the mode's encoder before any training: (B, C, H, W) -> (B, num_features)."""
    seed_everything(derive(seed, 1))  # equal first weights in every mode of one seed
    shape = {"image_size": settings.image_size, "channels": channels}
    if mode.weights == "pretrained":
        return models.pretrained(settings.model, source=settings.weights, **shape)
    return models.build(settings.model, num_classes=None, **shape)


@dataclass(frozen=True)
class Task:
    """One training, spelled out: what `fit` needs to know."""

    model: nn.Module
    train: Batches
    config: TrainConfig
    step: Callable
    loss: Callable | None = None
    val: Batches | None = None


def pretraining(
    mode: Mode, encoder: nn.Module, corpus: Dataset, *, settings: LabSettings, seed: int = 0
) -> Task | None:
    """Return the training on the corpus that the mode asks for, or None. The encoder is trained in place."""
    if mode.pretraining == "none":
        return None
    make = simclr_task if mode.pretraining == "simclr" else supervised_task
    return make(encoder, corpus, settings=settings, mode=mode, seed=seed)


def _share(settings: LabSettings) -> dict[str, int]:
    """Return this process's part of every batch: the budget is the same on any number of ranks."""
    rank, ranks = distributed.rank(), distributed.world_size()
    if settings.batch_size % ranks:
        raise LabError(
            f"A batch of {settings.batch_size} images does not part evenly among {ranks} ranks; "
            "start as many as divide it."
        )
    return {"batch_size": settings.batch_size // ranks, "rank": rank, "world_size": ranks}


def simclr_task(
    encoder: nn.Module, corpus: Dataset, *, settings: LabSettings, mode: Mode | None = None, seed: int = 0
) -> Task:
    """Return the contrastive training of an encoder under a fresh projection head; no label is read."""
    seed_everything(derive(seed, 2))  # the head's first weights
    model = models.SimCLRModel(encoder, projection_dim=settings.projection_dim, hidden_dim=settings.hidden_dim)
    view = settings.view(corpus.image_size, flip=0.5 * corpus.hflip_ok)
    views = Batches(
        corpus.train, augment=view, views=2, seed=seed, mean=corpus.mean, std=corpus.std, **_share(settings)
    )
    return Task(model, views, settings.config(seed, mode), contrastive, NTXentLoss(settings.temperature))


def supervised_task(
    encoder: nn.Module, source: Dataset, *, settings: LabSettings, mode: Mode | None = None, seed: int = 0
) -> Task:
    """Return the training of an encoder and a fresh linear classifier on the labels of `source`."""
    if source.train.labels is None:
        raise LabError(
            f"{source.name} has no labels, so nothing supervised can be learnt from it; "
            "choose mode=simclr_scratch or a labelled data set."
        )
    seed_everything(derive(seed, 2))
    model = models.SupervisedModel(encoder, source.num_classes)
    crop = transforms.simclr_view(
        source.image_size, strength=0.0, gray=0.0, area=(0.6, 1.0), flip=0.5 * source.hflip_ok
    )
    common = {"mean": source.mean, "std": source.std}
    share = _share(settings)
    train = Batches(source.train, augment=crop, seed=seed, **common, **share)
    val = Batches.evaluation(source.val, **common, **share | {"batch_size": 256})
    return Task(model, train, settings.config(seed, mode), supervised, val=val)
