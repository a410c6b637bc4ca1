"""Learning-rate schedules: pure functions from a step to the multiplier of the base learning rate."""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

from labkit.run_folder import LabError, unknown_name

Schedule = Callable[[int], float]


def constant(total_steps: int) -> Schedule:
    """Keep the base learning rate."""
    return lambda step: 1.0


def step(total_steps: int, *, step_size: int | None = None, gamma: float = 0.1) -> Schedule:
    """Multiply by `gamma` every `step_size` steps (default: a third of the run). StepLR."""
    size = step_size or max(1, math.ceil(total_steps / 3))
    return lambda step: gamma ** (min(step, total_steps) // size)


def multistep(total_steps: int, *, milestones: Sequence[float] = (0.5, 0.75), gamma: float = 0.1) -> Schedule:
    """Multiply by `gamma` at each milestone: a step number, or a fraction of the run below 1. MultiStepLR."""
    if min(milestones, default=1) <= 0:
        raise LabError(f"Milestone {min(milestones)} is not positive; give step numbers, or fractions of the run.")
    marks = [round(m * total_steps) if m < 1 else int(m) for m in milestones]
    return lambda step: gamma ** sum(step >= mark for mark in marks)


def cosine(total_steps: int, *, min_factor: float = 0.0) -> Schedule:
    """Fall from 1 to `min_factor` along half a cosine (Loshchilov & Hutter 2017). CosineAnnealingLR."""
    half = (1 - min_factor) / 2
    return lambda step: min_factor + half * (1 + math.cos(math.pi * min(step / total_steps, 1.0)))


def linear(total_steps: int, *, min_factor: float = 0.0) -> Schedule:
    """Fall from 1 to `min_factor` along a line. LinearLR."""
    return lambda step: 1 - (1 - min_factor) * min(step / total_steps, 1.0)


def one_cycle(total_steps: int, *, warmup_steps: int = 0, min_factor: float = 0.0) -> Schedule:
    """Rise along a cosine from 1/25 to 1, then fall to `min_factor` (Smith & Topin 2018).

    The rise is the warm-up: it takes `warmup_steps` (0: three tenths of the run). OneCycleLR.
    """
    peak = (warmup_steps or 0.3 * total_steps) - 1
    fall = max(total_steps - 1 - peak, 1)

    def multiplier(step: int) -> float:
        rising = step < peak
        low, fraction = (1 / 25, step / peak) if rising else (min_factor, min((step - peak) / fall, 1.0))
        share = (1 + math.cos(math.pi * fraction)) / 2  # 1 where the piece begins, 0 at its end
        return 1 + (low - 1) * share if rising else low + (1 - low) * share

    return multiplier


def warmup(schedule: Schedule, warmup_steps: int) -> Schedule:
    """Climb by 1/W of the schedule's first value for W steps, then start it (Goyal et al. 2017)."""
    if warmup_steps <= 0:
        return schedule
    first = schedule(0)

    def multiplier(step: int) -> float:
        return first * (step + 1) / warmup_steps if step < warmup_steps else schedule(step - warmup_steps)

    return multiplier


REGISTRY: dict[str, Callable[..., Schedule]] = {
    schedule.__name__: schedule for schedule in (constant, step, multistep, cosine, linear, one_cycle)
}


_ARGUMENTS = {"min_lr": "min_factor", "gamma": "gamma", "milestones": "milestones", "step_size": "step_size"}
OPTIONS = set(_ARGUMENTS)  # settings of which a schedule uses some


def options(name: str) -> set[str]:
    """Return the settings among OPTIONS that the named schedule uses. Raises LabError for an unknown name."""
    if name not in REGISTRY:
        raise unknown_name("schedule", name, REGISTRY)
    known = inspect.signature(REGISTRY[name]).parameters
    return {setting for setting, argument in _ARGUMENTS.items() if argument in known}


def build(
    name: str,
    *,
    total_steps: int,
    warmup_steps: int = 0,
    min_factor: float = 0.0,
    gamma: float = 0.1,
    milestones: Sequence[float] | None = None,
    step_size: int | None = None,
) -> Schedule:
    """Return `step -> multiplier` for updates 0 .. total_steps - 1; later steps keep the last value.

    `warmup_steps` come off the total; milestones and `step_size` count from the end of the warm-up.
    Options that the named schedule does not have are left alone. `min_factor` is min_lr / lr.
    Raises LabError for an unknown name and for steps that do not fit.
    """
    used = {_ARGUMENTS[setting] for setting in options(name)}
    if total_steps < 1 or not 0 <= warmup_steps <= total_steps:
        raise LabError(f"{warmup_steps} warm-up steps do not fit into {total_steps}; give 0 to {total_steps}.")
    given = {"min_factor": min_factor, "gamma": gamma, "milestones": milestones, "step_size": step_size}
    chosen: dict[str, Any] = {key: value for key, value in given.items() if key in used and value is not None}
    if "warmup_steps" in inspect.signature(REGISTRY[name]).parameters:  # its rise is the warm-up
        return REGISTRY[name](total_steps, warmup_steps=warmup_steps, **chosen)
    return warmup(REGISTRY[name](max(1, total_steps - warmup_steps), **chosen), warmup_steps)
