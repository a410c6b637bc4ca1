"""Running a student's model in the worker, and reading what came back."""

from torch import Tensor

from autograder.checking import expect
from autograder.measure.compare import tensor
from autograder.student import Student


def run(student: Student, model, images: Tensor, dim: int, *, train: bool = False) -> Tensor:
    """Return the model's output (B, dim) in eval or train mode, checked for type, shape and finiteness."""
    z = tensor(student.kit.forward(model, images, train=train), (len(images), dim), "The model's output")
    expect(z.is_floating_point() and z.isfinite().all(), "The model's output must be finite floating-point numbers.")
    return z


def arrives(gradient) -> bool:
    return isinstance(gradient, Tensor) and gradient.numel() > 0 and bool(gradient.abs().max() > 0)
