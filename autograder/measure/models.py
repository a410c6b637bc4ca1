"""Running a student's model in the worker, and reading what came back."""

from torch import Tensor

from autograder.checking import expect
from autograder.student import Student, named


def run(student: Student, model, images: Tensor, dim: int, *, train: bool = False) -> Tensor:
    """Return the model's output (B, dim) in eval or train mode, checked for type, shape and finiteness."""
    z = student.kit.forward(model, images, train=train)
    expect(isinstance(z, Tensor), f"The model must return the tensor z alone; it returns {named(z)}.")
    wanted = (len(images), dim)
    expect(
        z.shape == wanted,
        f"For {len(images)} images and dim {dim}, z must have the shape {wanted}; yours has {tuple(z.shape)}.",
    )
    expect(z.is_floating_point() and z.isfinite().all(), "z must be finite floating-point numbers.")
    return z


def arrives(gradient) -> bool:
    return isinstance(gradient, Tensor) and gradient.numel() > 0 and bool(gradient.abs().max() > 0)
