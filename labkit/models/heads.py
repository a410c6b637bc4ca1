"""What models share: the last layer, the checks of image sizes, and what stands on a backbone.

A backbone is a labkit model built with num_classes=None, any module with `num_features` that maps images to
(B, num_features), or a Hugging Face vision model (`config.hidden_size`), whose class token after the last
LayerNorm is the feature.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from labkit.run_folder import LabError


def last_layer(num_features: int, num_classes: int | None) -> nn.Module:
    """Return the linear layer (B, num_features) -> (B, num_classes); for None, a layer that does nothing."""
    return nn.Identity() if num_classes is None else nn.Linear(num_features, num_classes)


def need_size(model: str, image_size: int, *, smallest: int) -> None:
    """Raise LabError where images have fewer than `smallest` pixels a side."""
    if image_size < smallest:
        raise LabError(
            f"{model} cannot take images of {image_size} px: they are too small for its layers. "
            f"Use image_size >= {smallest} (resize the images) or another model."
        )


def need_tiles(model: str, image_size: int, patch_size: int | Sequence[int]) -> None:
    """Raise LabError unless patches of `patch_size` (side, or height and width) tile the image."""
    sides = [patch_size] if isinstance(patch_size, int) else list(patch_size)
    if any(side < 1 or image_size < side or image_size % side for side in sides):
        size = " x ".join(map(str, sides))
        raise LabError(
            f"{model} divides images into patches of {size} px, which do not tile {image_size} px. Choose an "
            f"image_size that {size} divides; smaller images are resized to it."
        )


def feature_width(backbone: nn.Module) -> int:
    """Return D of the features (B, D). Raises LabError where the backbone has none or ends in classes."""
    width = getattr(backbone, "num_features", None)
    if width is None:
        width = getattr(getattr(backbone, "config", None), "hidden_size", None)
    if width is None:
        raise LabError(
            f"A backbone needs num_features or config.hidden_size, which {type(backbone).__name__} lacks. "
            f"Use labkit.models.build(name, num_classes=None) or a Hugging Face vision model."
        )
    if getattr(backbone, "num_classes", None) is not None:
        raise LabError(
            f"This {type(backbone).__name__} ends in {backbone.num_classes} classes, not in features. "
            f"Build the backbone with num_classes=None."
        )
    return width


def extract(backbone: nn.Module, images: Tensor) -> Tensor:
    """Return the features h of images (B, C, S, S): (B, D), by the backbone's own calling convention."""
    return backbone(images) if hasattr(backbone, "num_features") else class_token(backbone, images)


def class_token(vit: nn.Module, images: Tensor) -> Tensor:
    """Return the class token (B, D) of a Hugging Face vision model, after its last LayerNorm."""
    return vit(pixel_values=images).last_hidden_state[:, 0]


class SupervisedModel(nn.Module):
    """Backbone and one linear layer: images (B, C, S, S) -> logits (B, num_classes)."""

    def __init__(self, backbone: nn.Module, num_classes: int):
        super().__init__()
        self.num_features, self.num_classes = feature_width(backbone), num_classes
        self.backbone = backbone
        self.head = nn.Linear(self.num_features, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Return h (B, num_features), what a probe reads."""
        return extract(self.backbone, images)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


class SimCLRModel(nn.Module):
    """Backbone f and projection head g (Chen et al. 2020): images (B, C, S, S) -> z = g(f(x)), (B, P).

    g(h) = W2 relu(W1 h), with BatchNorm after W1 and W2 where `batch_norm` is set; hidden_dim None: as wide as h.
    z is not normalized: the loss does that. Probe `features`, discard g.
    """

    def __init__(
        self, backbone: nn.Module, projection_dim: int = 128, *, hidden_dim: int | None = None, batch_norm: bool = False
    ):
        super().__init__()
        self.num_features, self.projection_dim = feature_width(backbone), projection_dim
        self.backbone = backbone
        hidden_dim = hidden_dim or self.num_features
        layers: list[nn.Module] = [
            nn.Linear(self.num_features, hidden_dim, bias=not batch_norm),
            *([nn.BatchNorm1d(hidden_dim)] if batch_norm else []),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_dim, projection_dim, bias=not batch_norm),
            *([nn.BatchNorm1d(projection_dim)] if batch_norm else []),
        ]
        self.projection = nn.Sequential(*layers)

    def features(self, images: Tensor) -> Tensor:
        """Return h (B, num_features), what a probe reads."""
        return extract(self.backbone, images)

    def forward(self, images: Tensor) -> Tensor:
        return self.projection(self.features(images))
