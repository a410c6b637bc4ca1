"""The shipped backbone: small, whole, good at what it was made for, and clear where it is not there."""

import runpy
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from labkit import evaluate, models, simclr
from labkit.data.batches import Batches
from labkit.models import resnet
from labkit.run_folder import LabError

save = runpy.run_path(Path(__file__).parents[2] / "scripts" / "make_backbone.py")["save"]


def test_it_is_small_and_records_how_it_was_made():
    with safe_open(resnet.SHIPPED, framework="pt") as file:
        facts = file.metadata()
    assert resnet.SHIPPED.stat().st_size <= 2 * 2**20
    assert facts["command"].startswith("python scripts/make_backbone.py --steps ")
    assert 0.5 < float(facts["test_accuracy"]) <= 1 and facts["classes"] == "200"


def test_it_knows_shapes_that_it_has_never_seen():
    """kNN on the probe set, whose classes are no glyphs, against the same network with random weights."""
    settings = simclr.settings("tiny", downstream_labels=600)
    corpus, probe = simclr.sources("shapes", settings=settings)
    scores, normal = {}, {"mean": corpus.mean, "std": corpus.std}
    for name, encoder in {
        "shipped": models.pretrained("resnet_tiny"),
        "random": models.build("resnet_tiny", num_classes=None),
    }.items():
        parts = [
            evaluate.extract_features(encoder, Batches.evaluation(split, 500, **normal))
            for split in (probe.train, probe.val)
        ]
        scores[name] = evaluate.knn_accuracy(*parts[0], *parts[1])
    assert scores["shipped"] > scores["random"] + 0.4, scores


def test_weights_go_through_a_file_as_halves(tmp_path, monkeypatch):
    torch.manual_seed(0)
    model = models.build("resnet_tiny", num_classes=None)
    file = tmp_path / "new" / "w.safetensors"
    save(model, {"command": "none"}, file)
    back = load_file(file)
    with safe_open(file, framework="pt") as opened:
        assert opened.metadata() == {"command": "none"}
    monkeypatch.setattr(resnet, "SHIPPED", file)
    loaded = resnet.shipped().state_dict()
    for name, value in model.state_dict().items():
        expected = value.half() if value.is_floating_point() else value
        assert torch.equal(back[name], expected) and torch.equal(loaded[name], expected.to(value.dtype))


def test_bad_wishes_and_damage_are_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(LabError, match="3 channels, not 1"):
        resnet.shipped(channels=1)
    with pytest.raises(LabError, match=r"weights='/tmp/half' .*add model=dinov3_vits16"):
        models.pretrained("resnet_tiny", source="/tmp/half")
    broken = tmp_path / "w.safetensors"
    broken.write_bytes(resnet.SHIPPED.read_bytes()[:1000])
    monkeypatch.setattr(resnet, "SHIPPED", broken)
    with pytest.raises(LabError, match=r"damaged .* restore it from git"):
        resnet.shipped()
