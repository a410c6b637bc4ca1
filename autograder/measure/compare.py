"""What counts as the same number, in one place, and reading what came back: its type and how many parts it has."""

from torch import Tensor

from autograder.checking import expect
from autograder.student import named

# Largest differences allowed, as a part of the largest wanted value: far above rounding, far below any mistake.
LOSS = 2e-4  # lab03's loss, float32 or float64
STATISTICS = 1e-3  # lab01's mean and standard deviation
LOGITS = 2e-3  # AlexNet's eight layers
BLOCK, RESNET = 1e-3, 5e-3  # one residual block, and eight of them with BatchNorm
MODEL_GRADIENT, LOSS_GRADIENT = 2e-2, 2e-3
RANKS = 1e-4  # collectives and steps of two or three ranks
TRAJECTORY = 1e-3  # weights and losses after a few updates
TIMES, TABLE = 1e-5, 1e-6  # formulas in float64
THROUGHPUT = 1e-4


def close(got, wanted, tolerance: float, *, least: float = 1.0) -> bool:
    """Say whether a float or tensor came, with the wanted shape, and within tolerance * max(|wanted|, least)."""
    if not isinstance(wanted, Tensor):
        return isinstance(got, float) and abs(got - wanted) <= tolerance * max(least, abs(wanted))
    if not isinstance(got, Tensor) or got.shape != wanted.shape:
        return False
    bound = tolerance * max(least, float(wanted.abs().max()))
    return bool((got.double() - wanted.double()).abs().max() <= bound)


def all_close(got, wanted: dict, tolerance: float, names=None) -> bool:
    """Say whether all tensors of `wanted` came with their shapes and (or those in `names`) with their values."""
    if not isinstance(got, dict) or any(getattr(got.get(name), "shape", None) != wanted[name].shape for name in wanted):
        return False
    return all(close(got[name], wanted[name], tolerance) for name in (names or wanted))


def parts(answer, count: int, each: int | None = None, kind: type | None = None):
    """Return a list of `count` answers, of `each` parts or of one kind, as it came, or raise CheckFailed."""
    kinds = (list, tuple)
    good = isinstance(answer, kinds) and len(answer) == count
    good = good and (each is None or all(isinstance(one, kinds) and len(one) == each for one in answer))
    good = good and (kind is None or all(type(one) is kind for one in answer))
    expect(good, "What your code returned cannot be read: it has another number of parts, or parts of another type.")
    return answer


def tensor(value, shape, what: str) -> Tensor:
    """Return a tensor of the given shape as it came, or raise CheckFailed."""
    expect(isinstance(value, Tensor), f"{what} must be one tensor; yours is {named(value)}.")
    good = tuple(value.shape) == tuple(shape)
    expect(good, f"{what} must have the shape {tuple(shape)}; yours has {tuple(value.shape)}.")
    return value


def number(value, what: str) -> float:
    """Return one number as a float. A tensor of shape () or (1,) is as good as a float; a vector is not."""
    if isinstance(value, Tensor):
        shape = tuple(value.shape)
        expect(value.numel() == 1, f"{what} must be one number; it has the shape {shape}. Take the mean.")
        return float(value)
    good = isinstance(value, int | float) and not isinstance(value, bool)
    expect(good, f"{what} must be one number; it is {named(value)}.")
    return float(value)
