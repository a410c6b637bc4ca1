"""The data sets that need no download: `shapes`, rendered here, and scikit-learn's handwritten `digits`."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.data.sources import shapes as renderer
from labkit.data.sources.outlines import outlines
from labkit.data.splits import Source, Split, train_val_split
from labkit.run_folder import LabError, unknown_name

CLASS_SETS = ("corpus", "probe", "glyphs")
TRAIN, TEST, COLOR = 1, 2, 3  # first number of a drawing's seed: no two uses share random numbers
TEST_SEED = 0  # the test split is the same for every seed: scores of several seeds are then comparable


def shapes(
    root,
    *,
    image_size: int | None,
    seed: int,
    n_train: int = 10_000,
    n_test: int = 2_000,
    classes_set: str = "corpus",
    difficulty: float = 0.7,
) -> Source:
    """Render scenes of one shape each; `n_train` counts train and val together, `root` is not used."""
    if classes_set not in CLASS_SETS:
        raise unknown_name("classes_set", classes_set, CLASS_SETS)
    named, size, set_number = outlines(classes_set), _size(image_size, difficulty), CLASS_SETS.index(classes_set)
    for option, count in (("n_train", n_train), ("n_test", n_test)):
        if count < len(named):
            raise LabError(f"shapes: {option}={count} is fewer than its classes; ask for {len(named)} or more.")

    def draw(name: str, count: int, *path: int) -> Split:
        order = torch.randperm(count, generator=renderer.generator_for(*path, set_number))
        labels = (torch.arange(count) % len(named))[order]  # every class equally often, give or take one
        images = renderer.render(
            list(named.values()), labels, image_size=size, difficulty=difficulty, path=(*path, set_number)
        )
        return Split(images, labels, name)

    return Source(list(named), draw("train", n_train, TRAIN, seed), lambda: draw("test", n_test, TEST, TEST_SEED))


def digits(root, *, image_size: int | None, seed: int, painted: bool = False, difficulty: float = 0.7) -> Source:
    """Read 1,797 real handwritten digits (Alpaydin & Kaynak 1998), 8x8 pixels enlarged; a fifth is test.

    painted: give them the random colors, texture and noise of `shapes` at this difficulty.
    """
    size = _size(image_size, difficulty)
    package = find_spec("sklearn")  # read without importing scikit-learn, which takes as long as training on it
    assert package is not None and package.origin is not None
    file = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    table = torch.from_numpy(np.loadtxt(file, delimiter=",", dtype=np.int64))  # (1797, 65): 0 to 16, then the label
    small, labels = table[:, :-1].float().view(-1, 1, 8, 8) / 16, table[:, -1].clone()
    ink = F.interpolate(small, size=(size, size), mode="bicubic", align_corners=False).clamp_(0, 1)[:, 0]
    pool, test = train_val_split(labels, 0.2, seed=TEST_SEED)

    def finish(rows: Tensor, name: str, *path: int) -> Split:
        if painted:
            images = renderer.paint(ink[rows], difficulty=difficulty, generator=renderer.generator_for(*path))
        else:
            images = ink[rows].mul(255).round().to(torch.uint8)[:, None].repeat(1, 3, 1, 1)
        return Split(images, labels[rows], name)

    return Source(
        [str(k) for k in range(10)],
        finish(pool, "train", COLOR, TRAIN, seed),
        lambda: finish(test, "test", COLOR, TEST, TEST_SEED),
        hflip_ok=False,  # a mirrored digit is none
    )


def _size(image_size: int | None, difficulty: float) -> int:
    """Return the side in pixels, 32 by default. Raises LabError where it or the difficulty is out of range."""
    if not 0 <= difficulty <= 1:
        raise LabError(f"difficulty is {difficulty}; choose it from 0 (plain) to 1 (hard).")
    if image_size is not None and image_size < 8:
        raise LabError(f"image_size is {image_size}; choose 8 or more pixels.")
    return image_size or 32
