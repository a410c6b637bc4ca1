"""Labels, checked once for all who read them: the loader, the supervised step, evaluation and probes."""

import torch
from torch import Tensor

from labkit.run_folder import LabError


def require_labels(labels: Tensor | None, *, of: str, num_classes: int | None = None) -> None:
    """Raise LabError unless `labels` are int64 (N,), N >= 1, in 0 to num_classes - 1 where that is given.

    of: names their set in the message, such as "training set".
    """
    if labels is None:
        raise LabError(f"The {of} has no labels, and they are needed here; choose a labeled set.")
    if labels.dtype != torch.int64:
        raise LabError(f"Labels of the {of} are {labels.dtype}, not int64; take labels.long().")
    if not len(labels):
        raise LabError(f"The {of} holds no image; give that split at least one, or take a larger set.")
    if num_classes is None:
        return
    wrong = ((labels < 0) | (labels >= num_classes)).nonzero()[:, 0]
    if len(wrong):
        row = int(wrong[0])
        raise LabError(
            f"Label {int(labels[row])} of the {of} (image {row}; {len(wrong)} such labels) is outside "
            f"0..{num_classes - 1}; correct the labels or the number of classes."
        )
