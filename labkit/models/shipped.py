"""The small backbone that comes with the lab, so that `pretrained` means something without a download.

A resnet_tiny trained to classify the 200 glyphs of `shapes` (labkit/models/weights/, fp16,
made by scripts/make_backbone.py). Its pictures come from the renderer that also draws the labs' corpus and
probe set; no class is shared.
"""

from pathlib import Path

from torch import nn

from labkit.models.resnet import resnet_tiny
from labkit.run_folder import LabError

FILE = Path(__file__).parent / "weights" / "resnet_tiny_glyphs.safetensors"


def shipped(*, image_size: int = 32, channels: int = 3) -> nn.Module:
    """Return the pretrained encoder, resnet_tiny: float images (B, 3, S, S) -> (B, num_features).

    Raises LabError for other than three channels, and for a damaged file.
    """
    if channels != 3:
        raise LabError(f"The shipped resnet_tiny was trained on images of 3 channels, not {channels}.")
    try:
        from safetensors.torch import load_file

        weights = load_file(FILE)
    except ImportError as error:
        raise LabError("The shipped backbone is a safetensors file: pip install safetensors.") from error
    except Exception as error:  # the library's own errors differ between versions
        raise LabError(f"{FILE} is missing or damaged ({type(error).__name__}): restore it from git.") from error
    model = resnet_tiny(num_classes=None, image_size=image_size)
    model.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in weights.items()}
    )
    return model
