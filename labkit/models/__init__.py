"""Every model of the course by name: build("resnet18", num_classes=10, image_size=32)."""

import inspect

from torch import nn

from labkit.errors import LabError, unknown_name
from labkit.models.alexnet import alexnet
from labkit.models.backbones import dinov3, dinov3_tiny, dinov3_vits16
from labkit.models.cnn import cnn
from labkit.models.heads import SimCLRModel, SupervisedModel
from labkit.models.lenet import lenet
from labkit.models.resnet import resnet18, resnet34, resnet_tiny
from labkit.models.vit import vit, vit_simple, vit_small, vit_tiny
from labkit.models.wide_resnet import wide_resnet

MODELS = {
    "lenet": lenet,
    "alexnet": alexnet,
    "cnn": cnn,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet_tiny": resnet_tiny,
    "wide_resnet": wide_resnet,
    "vit": vit,
    "vit_small": vit_small,
    "vit_tiny": vit_tiny,
    "vit_simple": vit_simple,
    "dinov3_tiny": dinov3_tiny,
    "dinov3_vits16": dinov3_vits16,
}
SHARED = ("num_classes", "image_size", "channels")

__all__ = ["MODELS", "SimCLRModel", "SupervisedModel", "build", "dinov3", "options_of"]


def options_of(name: str) -> dict[str, object]:
    """Return the options of a model beyond num_classes, image_size and channels, with their defaults."""
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    parameters = inspect.signature(MODELS[name]).parameters
    return {key: p.default for key, p in parameters.items() if key not in SHARED}


def build(
    name: str, *, num_classes: int | None = 10, image_size: int = 32, channels: int = 3, **options
) -> nn.Module:
    """Return a new model: float images (B, channels, image_size, image_size) -> logits (B, num_classes).

    num_classes None: a feature extractor, -> (B, model.num_features). Every model has `num_features` and
    `num_classes`. Raises LabError for an unknown name or option, a size that is no positive whole number, and
    images too small for the model.
    """
    valid = options_of(name)
    for key in options:
        if key not in valid:
            raise unknown_name(f"option of {name}", key, valid) if valid else LabError(
                f"Unknown option of {name} {key!r}: it has none. Valid: {', '.join(SHARED)}."
            )
    sizes = {"image_size": image_size, "channels": channels}
    for key, value in (sizes if num_classes is None else sizes | {"num_classes": num_classes}).items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise LabError(f"{key} of {name} must be a positive whole number, not {value!r}.")
    return MODELS[name](num_classes=num_classes, image_size=image_size, channels=channels, **options)
