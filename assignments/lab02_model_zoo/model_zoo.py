"""Lab 02, model zoo: AlexNet (8 points), ResNetBlock (5), ResNet18 (4), throughput (2), epoch_throughput (1).

See README.md.

Self-check: `from autograder import check; check("lab02")`, or `labkit check lab02` in a terminal.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn


class AlexNet(nn.Module):
    """images (B, 3, S, S), S >= 63 -> logits (B, num_classes), by the table of section 1. 8 points.

    Self-check: 57,044,810 parameters for 10 classes.
    """

    def __init__(self, num_classes: int):
        super().__init__()
        raise NotImplementedError("lab02, AlexNet: see section 1 of the handout")

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 3, S, S) -> (B, num_classes)."""
        raise NotImplementedError("lab02, AlexNet: see section 1 of the handout")


class ResNetBlock(nn.Module):
    """(B, in_channels, S, S) -> (B, out_channels, S / stride, S / stride), rounded up. 5 points.

    Self-check: ResNetBlock(64, 64) has 73,984 parameters, ResNetBlock(64, 128, 2) has 230,144.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1):
        super().__init__()
        raise NotImplementedError("lab02, ResNetBlock: see section 2 of the handout")

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, in_channels, S, S) -> (B, out_channels, S / stride, S / stride)."""
        raise NotImplementedError("lab02, ResNetBlock: see section 2 of the handout")


class ResNet18(nn.Module):
    """images (B, 3, S, S), S >= 8 -> logits (B, num_classes), by the table of section 3. 4 points.

    Self-check: 11,173,962 parameters for 10 classes.
    """

    def __init__(self, num_classes: int):
        super().__init__()
        raise NotImplementedError("lab02, ResNet18: see section 3 of the handout")

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 3, S, S) -> (B, num_classes)."""
        raise NotImplementedError("lab02, ResNet18: see section 3 of the handout")


def throughput(
    step: Callable[[], object],
    batch_size: int,
    *,
    warmup: int,
    repeats: int,
    clock: Callable[[], float],
    wait: Callable[[], None],
) -> float:
    """Return images per second over `repeats` steps, after `warmup` steps that do not count. 2 points.

    step(): hands the device the work on one batch and may return before it is done; wait(): returns once the
    device is idle (torch.cuda.synchronize); clock(): seconds (time.perf_counter).
    Self-check: a step that lasts 0.1 s with batch 32 has 320 images per second.
    """
    raise NotImplementedError("lab02, throughput: see section 4 of the handout")


def epoch_throughput(epoch_seconds: Sequence[float], num_images: int, batch_size: int, drop_last: bool) -> float:
    """Return images per second of training: an epoch's images over the median epoch. 1 point.

    The first epoch is left out where there is more than one; drop_last: an incomplete batch is not trained
    on. Self-check: 100 images in epochs of 9, 2 and 2 seconds make 50 images per second.
    """
    raise NotImplementedError("lab02, epoch_throughput: see section 4 of the handout")
