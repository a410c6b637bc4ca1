"""Every model of the course by name: build("resnet18", num_classes=10, image_size=32)."""

import inspect
from typing import TYPE_CHECKING, Any

from labkit import lazy, resolve
from labkit.run_folder import LabError, unknown_name

if TYPE_CHECKING:
    from torch import nn

    from labkit.models.backbones import dinov3
    from labkit.models.heads import SimCLRModel, SupervisedModel
    from labkit.models.resnet import resnet18, resnet34, resnet_tiny

MODELS = {  # name -> "module:name", or what makes it: (*, num_classes, image_size, channels, **own options) -> model
    "lenet": "labkit.models.lenet:LeNet",
    "alexnet": "labkit.models.alexnet:AlexNet",
    "cnn": "labkit.models.cnn:CNN",
    "resnet18": "labkit.models.resnet:resnet18",
    "resnet34": "labkit.models.resnet:resnet34",
    "resnet_tiny": "labkit.models.resnet:resnet_tiny",
    "wide_resnet": "labkit.models.wide_resnet:WideResNet",
    "vit": "labkit.models.vit:vit",
    "vit_small": "labkit.models.vit:vit_small",
    "vit_tiny": "labkit.models.vit:vit_tiny",
    "vit_simple": "labkit.models.vit:vit_simple",
    "dinov3_tiny": "labkit.models.backbones:dinov3_tiny",
    "dinov3_vits16": "labkit.models.backbones:dinov3_vits16",
}
PRETRAINED = {  # name -> the function that reads its weights: those that ship with the lab, or a folder's
    "resnet_tiny": "labkit.models.resnet:shipped",
    "dinov3_vits16": "labkit.models.backbones:dinov3",
    "dinov3_tiny": "labkit.models.backbones:dinov3",
}
SHARED = ("num_classes", "image_size", "channels")

_HOMES = {"SimCLRModel": "heads", "SupervisedModel": "heads", "dinov3": "backbones"}
_HOMES |= dict.fromkeys(("resnet18", "resnet34", "resnet_tiny"), "resnet")
__getattr__, __dir__ = lazy(__name__, _HOMES)
__all__ = ["SimCLRModel", "SupervisedModel", "build", "dinov3", "pretrained", "resnet18", "resnet34", "resnet_tiny"]


def options_of(name: str) -> dict[str, object]:
    """Return the options of a model beyond num_classes, image_size and channels, with their defaults."""
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    parameters = inspect.signature(resolve(MODELS[name])).parameters
    return {key: p.default for key, p in parameters.items() if key not in SHARED}


def build(
    name: str, *, num_classes: int | None = 10, image_size: int = 32, channels: int = 3, **options: Any
) -> "nn.Module":
    """Return a new model: float images (B, channels, image_size, image_size) -> logits (B, num_classes).

    num_classes None: a feature extractor, -> (B, model.num_features). Every model has `num_features` and
    `num_classes`. Raises LabError for an unknown name or option, a size or a count that is no positive whole
    number, and images too small for the model.
    """
    valid = options_of(name)
    for key in options:
        if key not in valid and not valid:
            raise LabError(f"Unknown option of {name} {key!r}: it has none. Valid: {', '.join(SHARED)}.")
        if key not in valid:
            raise unknown_name(f"option of {name}", key, valid)
    counts = {key: value for key, value in options.items() if type(valid[key]) is int}  # patch_size, ...
    sizes = {"image_size": image_size, "channels": channels} | counts
    for key, value in (sizes if num_classes is None else sizes | {"num_classes": num_classes}).items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise LabError(f"{key} of {name} must be a positive whole number, not {value!r}.")
    return resolve(MODELS[name])(num_classes=num_classes, image_size=image_size, channels=channels, **options)


def pretrained(name: str, *, source: str = "", image_size: int = 32, channels: int = 3) -> "nn.Module":
    """Return a pretrained encoder: float images (B, channels, image_size, image_size) -> (B, num_features).

    source: a local folder of DINOv3 weights, where the model's own place is not meant. Raises LabError for a
    name without weights, where they are not at hand, and for a folder that the model cannot read.
    """
    if name not in PRETRAINED:
        raise unknown_name("pretrained model", name, PRETRAINED)
    own = not name.startswith("dinov3_")
    if source and own:
        raise LabError(
            f"weights={source!r} is a folder for dinov3_*, and those of {name} ship with the lab: add "
            "model=dinov3_vits16 (or dinov3_tiny), or leave weights out."
        )
    if name == "dinov3_tiny" and not source:
        raise LabError("A pretrained dinov3_tiny is your own: name its folder (in a notebook: weights).")
    place = [] if own else [source or "fetched"]
    return resolve(PRETRAINED[name])(*place, image_size=image_size, channels=channels)
