"""What the lab's steps require of their batches, views and negatives, checked once before the first step."""

from labkit.run_folder import LabError


def need_single_views(splits: dict[str, object]) -> None:
    """Raise LabError where the batches of a set ("training", ...) hold several views of each image."""
    for split, batches in splits.items():
        views = getattr(batches, "views", 1)
        if views != 1:
            raise LabError(
                f"The batches of the {split} set hold {views} views of each image, and a supervised step "
                "takes one; build them with views=1, or pass step=contrastive."
            )


def need_pairs(splits: dict[str, object], *, accumulate: int) -> None:
    """Raise LabError unless the batches of each set hold two views of two images or more.

    accumulate: how many batches of the training set meet in one loss; each rank's meet as well.
    """
    for split, batches in splits.items():
        views = getattr(batches, "views", 2)
        if views != 2:
            raise LabError(
                f"The batches of the {split} set hold {views} view{'s' * (views > 1)} of each image, and a "
                f"contrastive step compares 2; build them with Batches(..., augment=..., views=2)"
                + (", or leave val out." if split == "validation" else ".")
            )
        together = getattr(batches, "batch_size", 2) * getattr(batches, "world_size", 1)
        together *= accumulate if split == "training" else 1
        if min(together, getattr(batches, "num_images", 2)) < 2:
            raise LabError(
                f"The batches of the {split} set hold one image, and a picture alone has no negatives: take "
                "a batch_size of at least 2, better 128."
            )
