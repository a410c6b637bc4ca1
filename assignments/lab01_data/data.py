"""Lab 01, data: write class_counts (3 points), channel_mean_std (5), stratified_split (7), image_grid (5).

See README.md.

Self-check: `from autograder import check; check("lab01")`, or `labkit check lab01` in a terminal.
"""

from torch import Tensor


def class_counts(labels: Tensor, num_classes: int) -> Tensor:
    """Return how many labels each class has: int64 (num_classes,). 3 points.

    labels: int64 (N,), each in 0 .. num_classes - 1; N may be 0, and a class may have no label.
    Self-check: the counts sum to N.
    """
    raise NotImplementedError("lab01, class_counts: see section 1 of the handout")


def channel_mean_std(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return each channel's mean and standard deviation over all pixels of all images. 5 points.

    images: uint8 (N, C, H, W). Returns two floats (C,), in units in which 255 is 1.
    Self-check: for images of which half the pixels are 0 and half 255, both are 0.5.
    """
    raise NotImplementedError("lab01, channel_mean_std: see section 2 of the handout")


def stratified_split(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return (train, val): row numbers, int64; `fraction` of each class is in val. 7 points.

    labels: int64 (N,), any numbering of classes. Each row is in exactly one part. The seed alone decides.
    Self-check: `torch.cat([train, val]).sort().values` is 0 .. N - 1.
    """
    raise NotImplementedError("lab01, stratified_split: see section 3 of the handout")


def image_grid(images: Tensor, columns: int, padding: int, value: float) -> Tensor:
    """Return one picture with the images in rows of `columns`, left to right, then down. 5 points.

    images: (N, C, H, W) of any dtype. `padding` pixels of `value` lie between the images and around them, and
    `value` fills empty cells. Returns (C, rows * (H + padding) + padding, columns * (W + padding) + padding)
    of the same dtype. Self-check: the top left pixel of image 0 is at [:, padding, padding].
    """
    raise NotImplementedError("lab01, image_grid: see section 4 of the handout")
