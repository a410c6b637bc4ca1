"""DINOv3's vision transformer (Siméoni et al. 2025, arXiv 2508.10104) through `transformers`: a backbone.

Weights are random or come from a folder that save_pretrained wrote; nothing is ever downloaded. In training mode
DINOv3 draws a random scale for its positions at each call: keep a frozen backbone in eval mode.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from labkit.models.heads import class_token, last_layer, need_tiles
from labkit.run_folder import DINOV3, LabError, data_dir

AGAIN = "run `labkit fetch dinov3` (on a cluster, on a login node)"
VITS16 = {"dim": 384, "depth": 12, "heads": 6, "patch_size": 16}  # as in the published configuration
REGISTERS = 4  # tokens beside class and patches, in every published DINOv3; the configuration's default is 0


IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class DINOv3(nn.Module):
    """images (B, C, S, S) -> class token after the last LayerNorm, (B, num_features), or (B, num_classes).

    vit: a `transformers.DINOv3ViTModel`. Its mask token, which only DINOv3's own pretraining uses, is frozen:
    a parameter that never gets a gradient would stop DistributedDataParallel. normalization: the mean and std that
    loaded weights expect of their images; None where they are random.
    """

    normalization: dict[str, tuple[float, ...]] | None = None

    def __init__(self, vit: Any, *, image_size: int, num_classes: int | None = None):
        super().__init__()
        self.num_features, self.num_classes = vit.config.hidden_size, num_classes
        self.image_size, self.channels = image_size, vit.config.num_channels
        self.vit = vit
        vit.embeddings.mask_token.requires_grad_(False)
        self.head = last_layer(self.num_features, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(class_token(self.vit, images))


def dinov3(source: str | Path, *, image_size: int, num_classes: int | None = None, channels: int = 3) -> DINOv3:
    """Return a DINOv3 vision transformer: images (B, channels, S, S) -> features (B, num_features).

    source: "scratch" (ViT-S/16, random), "tiny" (random, for 32 px), "fetched" (ViT-S/16 where `labkit fetch
    dinov3` put it) or the path of a model folder. Raises LabError for a folder that is absent, incomplete or
    no DINOv3 ViT, and for an image_size that the patches do not tile.
    """
    if source == "tiny":
        return dinov3_tiny(num_classes=num_classes, image_size=image_size, channels=channels)
    if source == "scratch":
        return _random(VITS16, image_size=image_size, num_classes=num_classes, channels=channels)
    folder = data_dir() / DINOV3 if source == "fetched" else Path(source).expanduser()
    if not folder.is_dir():
        raise LabError(
            f"There is no model folder {folder}: {AGAIN} and take source='fetched', give the path of a "
            f"folder that holds a DINOv3 ViT, or source='scratch' for random weights."
        )
    try:
        written = json.loads((folder / "config.json").read_text())
    except FileNotFoundError:
        raise _broken(folder, "incomplete, config.json is missing") from None
    except (OSError, ValueError) as error:
        raise _broken(folder, f"damaged, config.json ({error})") from error
    kind = written.get("model_type") if isinstance(written, dict) else None
    if kind != "dinov3_vit":
        raise _broken(folder, f"of type {kind!r}, not a DINOv3 ViT ('dinov3_vit')")
    need_tiles("DINOv3", image_size, written.get("patch_size", 16))
    wanted = written.get("num_channels", 3)
    if wanted != channels:
        raise LabError(f"The model in {folder} takes images of {wanted} channels, not {channels}.")
    transformers = _transformers()
    if not any(folder.glob("*.safetensors")):
        raise _broken(folder, "incomplete, model.safetensors is missing")
    how = {"local_files_only": True, "use_safetensors": True, "dtype": torch.float32}
    log = transformers.utils.logging
    level, bar = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity(log.CRITICAL)  # no bar, no table of missing weights: what is wrong becomes one sentence
    log.disable_progress_bar()
    try:
        vit, report = transformers.DINOv3ViTModel.from_pretrained(folder, output_loading_info=True, **how)
    except Exception as error:  # a damaged file raises whatever its parser stumbles over
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise _broken(folder, f"damaged or half downloaded ({why})") from error
    finally:
        log.set_verbosity(level)
        if bar:
            log.enable_progress_bar()
    absent = sorted(report["missing_keys"])  # transformers would leave these at random values
    if absent:
        raise _broken(folder, f"incomplete, it lacks {len(absent)} weights (e.g. {absent[0]})")
    model = DINOv3(vit, image_size=image_size, num_classes=num_classes)
    model.normalization = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}  # of the images that it has learned from
    return model


def dinov3_vits16(
    *, num_classes: int | None = 10, image_size: int = 32, channels: int = 3, source: str | Path = "scratch"
) -> DINOv3:
    """Return ViT-S/16 (21.6M parameters); `source` as for dinov3."""
    return dinov3(source, image_size=image_size, num_classes=num_classes, channels=channels)


def dinov3_tiny(
    *,
    num_classes: int | None = 10,
    image_size: int = 32,
    channels: int = 3,
    patch_size: int = 4,
    dim: int = 64,
    depth: int = 3,
    heads: int = 4,
) -> DINOv3:
    """Return a small random DINOv3 for small images: 3 layers of width 64, 64 patches at 32 px."""
    if dim < 1 or heads < 1 or dim % (4 * heads):  # rotary positions: two axes x (cosine, sine) in each head
        raise LabError(f"dinov3_tiny needs a dim that 4 * heads = {4 * heads} divides; got {dim}.")
    sizes = {"dim": dim, "depth": depth, "heads": heads, "patch_size": patch_size}
    return _random(sizes, image_size=image_size, num_classes=num_classes, channels=channels)


def _random(sizes: dict[str, int], *, image_size: int, num_classes: int | None, channels: int) -> DINOv3:
    need_tiles("DINOv3", image_size, sizes["patch_size"])
    transformers = _transformers()
    config = transformers.DINOv3ViTConfig(
        hidden_size=sizes["dim"],
        intermediate_size=4 * sizes["dim"],
        num_hidden_layers=sizes["depth"],
        num_attention_heads=sizes["heads"],
        patch_size=sizes["patch_size"],
        num_register_tokens=REGISTERS,
        num_channels=channels,
        image_size=image_size,
    )
    return DINOv3(transformers.DINOv3ViTModel(config), image_size=image_size, num_classes=num_classes)


def _broken(folder: Path, what: str) -> LabError:
    """Return the sentence with the way to get a whole folder: `labkit fetch` fills its own, and no other one."""
    own = folder.resolve() == (data_dir() / DINOV3).resolve()
    other = "copy or download that folder again, or name another one that holds a DINOv3 ViT"
    return LabError(f"The model in {folder} is {what}: {AGAIN if own else other}.")


def _transformers():
    """Import transformers where it is used: nothing else in labkit needs it, and it takes seconds."""
    try:
        import transformers
        from transformers import DINOv3ViTConfig, DINOv3ViTModel  # noqa: F401
    except ImportError as error:
        raise LabError(f"DINOv3 needs transformers ({error}): pip install 'transformers>=5'.") from error
    return transformers
