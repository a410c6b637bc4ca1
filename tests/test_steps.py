"""One step sees what slow transcriptions see; groups weigh every image alike; clipping bounds the norm."""

import math
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labkit import models
from labkit.losses import nt_xent
from labkit.run_folder import LabError
from labkit.train import TrainConfig
from labkit.train.precision import choose_layout, choose_precision
from labkit.train.step import Learner, choose_losses, contrastive, merge, supervised

CPU = torch.device("cpu")


class Batch(NamedTuple):
    images: torch.Tensor | tuple
    labels: torch.Tensor | None = None
    index: torch.Tensor | None = None


def labelled(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, 6, 6, generator=generator)
    return Batch(images, torch.randint(0, 4, (count,), generator=generator), torch.arange(count))


def classifier(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 16, 4))


def learner(model, **settings):
    settings = {"precision": "fp32", "optimizer": "sgd", "schedule": "constant", "warmup_steps": 0} | settings
    return Learner(model, TrainConfig(max_steps=10, **settings), total_steps=10, device=CPU)


def test_a_supervised_step_tells_loss_and_hits():
    model, batch = classifier(), labelled(20)
    seen = supervised(model, batch, F.cross_entropy)
    logits = model(batch.images)
    assert seen["loss"].item() == F.cross_entropy(logits, batch.labels).item()
    hits = sum(int(row.argmax()) == int(label) for row, label in zip(logits, batch.labels, strict=True))
    assert (seen["correct"].item(), seen["count"]) == (hits, 20)


def test_a_contrastive_step_counts_views_nearest_to_their_partner():
    torch.manual_seed(0)
    model, first = nn.Linear(6, 4), torch.randn(12, 6)
    batch = Batch((first, first + 0.8 * torch.randn(12, 6)))
    seen = contrastive(model, batch, nt_xent)
    z1, z2 = (model(view) for view in batch.images)
    assert seen["loss"].item() == pytest.approx(nt_xent(z1, z2).item())
    everyone, hits = torch.cat([z1, z2]), 0
    for i in range(12):
        others = [j for j in range(24) if j != i]
        nearest = max(others, key=lambda j: F.cosine_similarity(z1[i], everyone[j], dim=0).item())
        hits += nearest == i + 12
    assert 0 < hits < 12
    assert (seen["correct"].item(), seen["count"]) == (hits, 12)


@pytest.mark.parametrize("sizes", [[12, 12], [10, 10, 4], [23, 1]])
def test_a_group_of_batches_gives_the_gradient_of_one_large_batch(sizes):
    whole = labelled(24)
    parts = [Batch(*pieces) for pieces in zip(*(t.split(sizes) for t in whole), strict=True)]
    one, many = learner(classifier()), learner(classifier())
    for number in range(3):
        expected = one.update([whole], supervised, F.cross_entropy, number=number)
        seen = many.update(parts, supervised, F.cross_entropy, number=number)
        assert seen["loss"].item() == pytest.approx(expected["loss"].item(), rel=1e-5)
        assert (seen["correct"].item(), seen["count"]) == (expected["correct"].item(), 24)
    for a, b in zip(one.model.parameters(), many.model.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_clipping_bounds_the_norm_of_true_gradients(precision):
    """With plain SGD at lr 1 the update is the gradient; fp16 scales losses by 65,536, which must go."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))
    before = [p.detach().clone() for p in model.parameters()]
    taught = learner(model, lr=1.0, momentum=0.0, weight_decay=0.0, grad_clip=0.05, precision=precision)
    outcome = taught.update([labelled(16)], supervised, F.cross_entropy, number=0)
    moved = torch.cat([(p - b).flatten() for p, b in zip(model.parameters(), before, strict=True)])
    assert moved.norm().item() == pytest.approx(0.05, rel=1e-3)
    assert math.isfinite(outcome["loss"].item())


def test_a_scaled_fp16_step_agrees_with_fp32():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))
    half = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))
    half.load_state_dict(plain.state_dict())
    for model, precision in ((plain, "fp32"), (half, "fp16")):
        taught = learner(model, lr=0.1, precision=precision)
        taught.update([labelled(16)], supervised, F.cross_entropy, number=0)
    assert (plain[1].weight - half[1].weight).abs().max() < 2e-4
    assert half[1].weight.dtype == torch.float32


def test_the_learning_rate_follows_the_schedule_by_step_number():
    taught = learner(classifier(), lr=0.4, schedule="linear", warmup_steps=4, min_lr=0.1)
    rates = []
    for number in range(10):
        taught.update([labelled(4)], supervised, F.cross_entropy, number=number)
        rates.append(taught.lr)
    assert rates[:4] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert rates[4:] == pytest.approx([0.4 - 0.3 * k / 6 for k in range(6)])


def test_nothing_is_read_from_the_device_inside_a_step(monkeypatch):
    """Every way to read a tensor on the host passes through these; on a GPU each would be a wait."""
    taught = learner(classifier(), grad_clip=1.0)
    batches = [labelled(8), labelled(4)]

    def refuse(*_, **__):
        raise AssertionError("a step read a tensor")

    for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__int__", "__float__"):
        monkeypatch.setattr(torch.Tensor, name, refuse)
    taught.update(batches, supervised, F.cross_entropy, number=0)


def test_merged_outcomes_add_counts_and_average_the_rest():
    seen = merge(
        [
            {"loss": torch.tensor(1.0), "correct": torch.tensor(3), "count": 6},
            {"loss": torch.tensor(4.0), "correct": torch.tensor(1), "count": 2},
        ]
    )
    assert {k: float(v) for k, v in seen.items()} == {"loss": 1.75, "correct": 4, "count": 8}


def test_the_number_format_is_the_fastest_or_the_one_wanted(monkeypatch, caplog):
    assert choose_precision("fp16", CPU) == "fp16"
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert choose_precision("auto", gpu) == "fp16" and not caplog.text
    assert choose_precision("bf16", gpu) == "fp16" and "has no bf16" in caplog.text
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert choose_precision("auto", gpu) == "bf16"


def test_convnets_get_images_channels_last_and_the_same_result():
    seen = {}

    class Spy(nn.Conv2d):
        def forward(self, images):
            seen["layout"] = images.is_contiguous(memory_format=torch.channels_last)
            return super().forward(images)

    torch.manual_seed(0)
    model = nn.Sequential(Spy(3, 4, 3), nn.Flatten(), nn.Linear(64, 4))
    results = {}
    for wanted in (True, False):
        twin = nn.Sequential(Spy(3, 4, 3), nn.Flatten(), nn.Linear(64, 4))
        twin.load_state_dict(model.state_dict())
        taught = learner(twin, channels_last=wanted)
        results[wanted] = taught.update([labelled(8)], supervised, F.cross_entropy, number=0)["loss"]
        assert seen["layout"] is wanted
    torch.testing.assert_close(results[True], results[False])


def test_only_convnets_are_laid_out_channels_last():
    gpu = torch.device("cuda", 0)
    assert choose_layout("auto", classifier(), "bf16", gpu) == torch.channels_last
    assert choose_layout("auto", classifier(), "fp32", gpu) == torch.contiguous_format
    assert choose_layout(True, nn.Linear(2, 2), "bf16", gpu) == torch.contiguous_format


@pytest.mark.parametrize("name", ["lenet", "resnet_tiny"])
def test_the_labs_models_take_a_step_in_every_format(name):
    for precision in ("fp32", "bf16"):
        model = models.build(name, num_classes=4)
        taught = learner(model, precision=precision)
        batch = Batch(torch.randn(4, 3, 32, 32), torch.arange(4), torch.arange(4))
        assert math.isfinite(taught.update([batch], supervised, F.cross_entropy, number=0)["loss"].item())


def splits(train_labels, val_labels=(0, 1)):
    given = (train_labels, val_labels)
    return [SimpleNamespace(labels=None if y is None else torch.tensor(y)) for y in given]


CONFIG = TrainConfig(epochs=1)


@pytest.mark.parametrize(
    "train_labels, val_labels, told",
    [
        ((0, 1, 4), (0,), "Label 4 of the training set \\(image 2; 1 such labels\\) is outside 0..3"),
        ((0, 1), (0, -1), "Label -1 of the validation set .* is outside"),
        (None, (0,), "The training set has no labels"),
    ],
)
def test_labels_are_checked_before_the_first_step(train_labels, val_labels, told):
    model = SimpleNamespace(num_classes=4)
    with pytest.raises(LabError, match=told):
        choose_losses(None, supervised, model, *splits(train_labels, val_labels), CONFIG)


def test_balanced_weights_come_from_the_training_labels():
    model = SimpleNamespace(num_classes=2)
    loss, val_loss = choose_losses(None, supervised, model, *splits((0, 0, 0, 1)), CONFIG.but(class_weights="balanced"))
    logits, labels = torch.randn(4, 2), torch.tensor([0, 0, 0, 1])
    each = F.cross_entropy(logits, labels, reduction="none")
    expected = (each[:3].mean() + each[3]) / 2  # both classes weigh alike
    assert loss(logits, labels).item() == pytest.approx(expected.item())
    assert val_loss(logits, labels).item() == pytest.approx(each.mean().item())  # comparable


def test_an_empty_class_cannot_be_balanced():
    model = SimpleNamespace(num_classes=3)
    with pytest.raises(LabError, match="none of class 2"):
        choose_losses(None, supervised, model, *splits((0, 1)), CONFIG.but(class_weights="balanced"))


@pytest.mark.parametrize(
    ("amx", "avx", "vendor", "gains"),
    [
        (True, True, "vendor_id : GenuineIntel", True),
        (False, True, "vendor_id : GenuineIntel", False),
        (False, True, "vendor_id : AuthenticAMD", True),
        (False, False, "vendor_id : AuthenticAMD", False),
        (False, True, "", False),
    ],
)
def test_bf16_is_taken_only_where_the_cpu_gains_by_it(monkeypatch, amx, avx, vendor, gains):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx, raising=False)
    monkeypatch.setattr("labkit.train.precision._cpu_vendor", lambda: vendor)
    assert choose_precision("auto", CPU) == ("bf16" if gains else "fp32")
