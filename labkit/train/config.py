"""The training configuration: validated, each error one sentence."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from labkit.run_folder import LabError
from labkit.run_folder.validation import Settings

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


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

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        from labkit.train import optimizers, schedules

        used = schedules.options(self.schedule) | optimizers.options(self.optimizer)
        for name in sorted(self.changed & (schedules.OPTIONS | optimizers.OPTIONS) - used):
            kind = "optimizer" if name in optimizers.OPTIONS else "schedule"
            raise LabError(f"{name} has no effect with {kind}={getattr(self, kind)}; leave it out, or choose another.")
        if "patience" in self.changed and self.target_accuracy is None:
            raise LabError("patience has no effect without target_accuracy; set that, too, or leave it out.")
        return self

    @property
    def changed(self) -> set[str]:
        """The settings that differ from their defaults."""
        return {name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default}
