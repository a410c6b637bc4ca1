"""Every model of the course by name: build("resnet18", num_classes=10, image_size=32)."""

import inspect

from torch import nn

from labkit.models import shipped
from labkit.models.alexnet import alexnet
from labkit.models.backbones import dinov3, dinov3_tiny, dinov3_vits16
from labkit.models.cnn import cnn
from labkit.models.heads import SimCLRModel, SupervisedModel
from labkit.models.lenet import lenet
from labkit.models.resnet import resnet18, resnet34, resnet_tiny
from labkit.models.vit import vit, vit_simple, vit_small, vit_tiny
from labkit.models.wide_resnet import wide_resnet
from labkit.run_folder import LabError, unknown_name

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
PRETRAINED = {  # name -> where its weights come from
    "resnet_tiny": "ship with the lab",
    "dinov3_vits16": "labkit fetch dinov3, or a local folder",
    "dinov3_tiny": "a local folder",
}
SHARED = ("num_classes", "image_size", "channels")

__all__ = ["MODELS", "PRETRAINED", "SimCLRModel", "SupervisedModel", "build", "dinov3", "options_of", "pretrained"]


def options_of(name: str) -> dict[str, object]:
    """Return the options of a model beyond num_classes, image_size and channels, with their defaults."""
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    parameters = inspect.signature(MODELS[name]).parameters
    return {key: p.default for key, p in parameters.items() if key not in SHARED}


def build(name: str, *, num_classes: int | None = 10, image_size: int = 32, channels: int = 3, **options) -> nn.Module:
    """Return a new model: float images (B, channels, image_size, image_size) -> logits (B, num_classes).

    num_classes None: a feature extractor, -> (B, model.num_features). Every model has `num_features` and
    `num_classes`. Raises LabError for an unknown name or option, a size or a count that is no positive whole
    number, and images too small for the model.
    """
    valid = options_of(name)
    for key in options:
        if key not in valid:
            raise (
                unknown_name(f"option of {name}", key, valid)
                if valid
                else LabError(f"Unknown option of {name} {key!r}: it has none. Valid: {', '.join(SHARED)}.")
            )
    counts = {key: value for key, value in options.items() if type(valid[key]) is int}  # patch_size, ...
    sizes = {"image_size": image_size, "channels": channels} | counts
    for key, value in (sizes if num_classes is None else sizes | {"num_classes": num_classes}).items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise LabError(f"{key} of {name} must be a positive whole number, not {value!r}.")
    return MODELS[name](num_classes=num_classes, image_size=image_size, channels=channels, **options)


def pretrained(name: str, *, source: str = "", image_size: int = 32, channels: int = 3) -> nn.Module:
    """Return a pretrained encoder: float images (B, channels, image_size, image_size) -> (B, num_features).

    source: a local folder of DINOv3 weights, where the model's own place is not meant. Raises LabError for a
    name without weights, where they are not at hand, and for a folder that the model cannot read.
    """
    if name not in PRETRAINED:
        raise unknown_name("pretrained model", name, PRETRAINED)
    if source and not name.startswith("dinov3_"):
        raise LabError(
            f"weights={source!r} is a folder for dinov3_*, and those of {name} ship with the lab: add "
            "model=dinov3_vits16 (or dinov3_tiny), or leave weights out."
        )
    if name == "resnet_tiny":
        return shipped.shipped(name, image_size=image_size, channels=channels)
    if name == "dinov3_tiny" and not source:
        raise LabError("A pretrained dinov3_tiny is your own: name its folder (in a notebook: weights).")
    return dinov3(source or "fetched", image_size=image_size, channels=channels)
