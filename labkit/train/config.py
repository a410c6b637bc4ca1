"""The training configuration: validated, read from YAML, changed by overrides, each error one sentence."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from labkit.run_folder import LabError, unknown_name

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Settings(BaseModel):
    """A frozen set of named settings that refuses what it does not know, in one sentence (LabError)."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    def __init__(self, /, **values: Any):
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise explain(error, type(self)) from None

    def but(self, **changes: Any) -> Self:
        """Return a copy with some settings changed, checked like the first."""
        return type(self)(**{name: getattr(self, name) for name in self.model_fields_set} | changes)


class TrainConfig(Settings):
    """How one model is trained: everything `fit` needs to know besides the model and the data.

    `epochs` passes over the data or `max_steps` updates; where both are given, the smaller wins. `lr` is the
    highest rate the schedule reaches. Augmentation and batch order belong to `Batches`, not here.
    """

    epochs: Count | None = None
    max_steps: Count | None = None
    batch_size: Count = 128  # images per forward pass and process

    optimizer: str = "adamw"  # a name of labkit.train.optimizers
    lr: Positive = 1e-3
    momentum: Fraction = 0.9
    weight_decay: NotNegative = 5e-4
    grad_clip: Positive | None = None  # largest gradient norm
    accumulate: Count = 1  # batches per update (of one contrastive loss over all)

    schedule: str = "cosine"  # a name of labkit.train.schedules
    warmup_fraction: Fraction = 0.1
    warmup_steps: Annotated[int, Field(ge=0)] | None = None  # wins over warmup_fraction
    min_lr: NotNegative = 0.0
    milestones: tuple[Positive, ...] | None = None  # steps, or fractions of the run below 1
    gamma: Positive = 0.1
    step_size: Count | None = None

    label_smoothing: Fraction = 0.0
    class_weights: Literal["balanced"] | tuple[NotNegative, ...] | None = None
    focal_gamma: NotNegative | None = None
    hard_fraction: Annotated[float, Field(gt=0, le=1)] | None = None  # the worst part of a batch

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    channels_last: Literal["auto"] | bool = "auto"
    compile: bool | Literal["default", "reduce-overhead", "max-autotune"] = False

    target_accuracy: Fraction | None = None  # stop when `patience` evaluations in a row reach it
    patience: Count = 2

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    deterministic: bool = True
    evaluate_every: Count = 1  # epochs
    checkpoint_every: Count = 1  # epochs; the best and the last one are always kept
    checkpoint_every_steps: Count | None = None
    log_every: Count = 10  # steps

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.epochs is None and self.max_steps is None:
            raise ValueError("set epochs or max_steps: how long should the training be")
        if self.min_lr > self.lr:
            raise ValueError(f"min_lr {self.min_lr} is above lr {self.lr}")
        return self


S = TypeVar("S", bound=Settings)


def load_config(path: str | Path | None = None, overrides: Sequence[str] = (), *, kind: type[S] = TrainConfig) -> S:
    """Return the settings of a YAML file (or none) with overrides such as "lr=0.01" or "a.b=[1, 2]" applied.

    Raises LabError for a missing or unreadable file, an unknown key and a wrong type.
    """
    values = {} if path is None else read_yaml(path)
    for text in overrides:
        _override(values, text)
    return kind(**values)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Return the mapping a YAML file holds ({} where the file is empty)."""
    try:
        values = _parse(Path(path).read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise LabError(f"Cannot read the configuration {path}: {error.strerror}. Check the path.") from error
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise LabError(f"The configuration {path} holds a {type(values).__name__}; write `name: value`.")
    return values


def explain(error: ValidationError, kind: type[BaseModel]) -> LabError:
    """Return every mistake that pydantic found, one sentence for each setting, with the nearest names."""
    mistakes: dict[str, list[dict[str, Any]]] = {}
    for item in error.errors(include_url=False):
        # a place is the setting, then list positions and the branches of unions that pydantic tried
        place = [str(part) for i, part in enumerate(item["loc"]) if i == 0 or isinstance(part, int)]
        mistakes.setdefault(".".join(place), []).append(item)
    return LabError(" ".join(_sentence(key, items, kind) for key, items in mistakes.items()))


def _sentence(key: str, items: list[dict[str, Any]], kind: type[BaseModel]) -> str:
    """Say in one sentence what is wrong with one setting; `items` are the alternatives that it missed."""
    first = items[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, LabError):
        return f"In {key!r}: {cause}"
    if first["type"] == "extra_forbidden":
        return str(unknown_name("setting", key, kind.model_fields))
    if first["type"] == "missing":
        return f"Setting {key!r} is missing."
    reasons = [item["msg"].removeprefix("Value error, ").removeprefix("Input should ") for item in items]
    if not key:
        return f"{kind.__name__}: {'; '.join(reasons)}."
    return f"Setting {key!r} is {first['input']!r} but should {' or '.join(dict.fromkeys(reasons))}."


def _override(values: dict[str, Any], text: str) -> None:
    """Set one dotted key of nested `values`, in place."""
    key, equals, value = text.partition("=")
    *parents, last = key.strip().split(".")
    if not equals or not all([*parents, last]):
        raise LabError(f"Override {text!r} is not `name=value`; write for example lr=0.01 or model.depth=18.")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise LabError(f"Override {text!r} goes into {parent!r}, which is {values!r} and has no parts.")
    values[last] = _parse(value, text)


def _parse(text: str, where: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise LabError("Reading YAML needs PyYAML: pip install pyyaml") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise LabError(f"{where} is not valid YAML: {' '.join(str(error).split())}") from error
