"""Tiny-ImageNet in its own layout: which split its val becomes, and what a partly unpacked one says."""

import pytest
import torch
from PIL import Image

from labkit import data
from labkit.run_folder import LabError


@pytest.fixture(autouse=True)
def own_data(monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path / "data"))


@pytest.fixture
def tiny(tmp_path):
    root = tmp_path / "tiny-imagenet-200"
    for label, wnid in enumerate(("n01", "n02", "n03")):
        (root / "train" / wnid / "images").mkdir(parents=True)
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("")
        for number in range(5):
            kind = "L" if number == 0 else "RGB"
            image = Image.new("RGB", (64, 64), (70 * label, 0, 0)).convert(kind)
            image.save(root / "train" / wnid / "images" / f"{wnid}_{number}.JPEG")
    (root / "val" / "images").mkdir(parents=True)
    lines = []
    for number, label in enumerate((2, 0, 1, 2, 0)):
        Image.new("RGB", (64, 64), (70 * label, 0, 0)).save(root / "val" / "images" / f"val_{number}.JPEG")
        lines.append(f"val_{number}.JPEG\tn0{label + 1}\t0\t0\t62\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    (root / "wnids.txt").write_text("n02\nn03\nn01\n")
    (root / "words.txt").write_text("n01\tgoldfish, Carassius auratus\nn02\tcrane\nn03\tcrane\nn99\tother\n")
    return root


@pytest.mark.parametrize("given", ["itself", "parent"])
def test_tiny_imagenets_val_becomes_the_test_split_sorted_by_annotation(tiny, given):
    d = data.load("tiny_imagenet", root=tiny if given == "itself" else tiny.parent, val_fraction=0.2)
    assert d.classes == ["goldfish", "crane (n02)", "crane (n03)"]
    assert (len(d.train), len(d.val)) == (12, 3) and d.image_size == 64
    assert d.test.labels.tolist() == [0, 0, 1, 2, 2]
    red = d.test.images[:, 0, 32, 32].float() / 70
    assert torch.equal(red.round().long(), d.test.labels)


def test_a_partly_unpacked_tiny_imagenet_is_told(tiny):
    (tiny / "val" / "images" / "val_3.JPEG").unlink()
    d = data.load("tiny_imagenet", root=tiny)
    with pytest.raises(LabError, match=r"val_3\.JPEG is missing.*labkit fetch tiny_imagenet"):
        _ = d.test
    (tiny / "val" / "val_annotations.txt").unlink()
    with pytest.raises(LabError, match=r"lacks val/val_annotations\.txt.*labkit fetch tiny_imagenet"):
        data.load("tiny_imagenet", root=tiny)
