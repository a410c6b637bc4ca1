"""Tiny-ImageNet-200 in its own layout: its validation images become the test split, sorted by annotation."""

import os
from pathlib import Path

import torch

from labkit.data.download import FILES, unusable
from labkit.data.sources.folder import Listing, listing
from labkit.data.splits import Source
from labkit.run_folder import LabError, data_dir

ADVICE = "run `labkit fetch tiny_imagenet` on a login node"


def tiny_imagenet(root, *, image_size: int | None, seed: int) -> Source:
    """Open the 200 classes at 64 pixels. The official test images have no labels, so val is the test split.

    root: the folder tiny-imagenet-200 or the one that holds it.
    """
    folder, parts = FILES["tiny_imagenet"]
    root = root or data_dir()
    root = root / folder if (root / folder).is_dir() else root
    if not (root / "wnids.txt").is_file():
        raise unusable("tiny_imagenet", root)
    for part in parts:
        if not (root / part).exists():
            raise LabError(f"tiny_imagenet in {root} lacks {part}: it was only partly unpacked; {ADVICE}.")
    wnids = sorted((root / "wnids.txt").read_text().split())
    lines = (line.split("\t") for line in (root / "words.txt").read_text().splitlines() if "\t" in line)
    words = {wnid: text.split(",")[0] for wnid, text in lines}
    first = [words.get(wnid, wnid) for wnid in wnids]  # a class's first word, with its id where two share it
    size, exact = image_size or 64, image_size is None
    train = listing(root / "train", wnids, inside="images")
    return Source(
        [f"{w} ({wnid})" if first.count(w) > 1 else w for w, wnid in zip(first, wnids, strict=True)],
        train.split("train", size=size, exact=exact),
        lambda: annotated(root, wnids).split("test", size=size, exact=exact),
        statistics_folder=train.cache(size),
    )


def annotated(root: Path, wnids: list[str]) -> Listing:
    """List val/images with the labels that val_annotations.txt gives, sorted by class and name."""
    number = {wnid: k for k, wnid in enumerate(wnids)}
    rows = []
    for line in (root / "val" / "val_annotations.txt").read_text().splitlines():
        file, wnid = line.split("\t")[:2]
        if wnid not in number:
            raise LabError(f"{root}/val/val_annotations.txt gives {file} the unknown class {wnid}; {ADVICE}.")
        try:
            status = os.stat(image := root / "val" / "images" / file)
        except FileNotFoundError as error:
            raise LabError(f"Image {image} is missing: the set was only partly unpacked; {ADVICE}.") from error
        rows.append((number[wnid], file, f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"))
    rows.sort()
    labels, files, stamps = map(list, zip(*rows, strict=True))
    return Listing(root / "val" / "images", files, torch.tensor(labels), stamps)
