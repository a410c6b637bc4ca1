"""The eight modes: a table without gaps, equal starts and budgets, clear words where something is missing."""

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from labkit import data, evaluate, models, simclr
from labkit.models import resnet
from labkit.run_folder import LabError, RunFolder
from labkit.train.step import contrastive, supervised

RANDOM = [name for name, mode in simclr.MODES.items() if mode.weights == "random"]
PRETRAINED = [name for name in simclr.MODES if name not in RANDOM]
SMALL = {"max_steps": 2, "batch_size": 8}


@pytest.fixture(scope="module")
def shapes():
    return simclr.sources("shapes", settings=simclr.settings("tiny", downstream_labels=100), seed=0)


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_modes_and_presets_are_read_without_torch():
    code = "import labkit.simclr as lab, sys; assert lab.MODES and lab.PRESETS; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_eight_modes_are_all_different_ways():
    ways = {(mode.weights, mode.pretraining, mode.evaluation) for mode in simclr.MODES.values()}
    assert len(simclr.MODES) == len(ways) == 8


@pytest.mark.parametrize("name", simclr.MODES)
def test_the_name_says_what_the_mode_does(name):
    mode = simclr.MODES[name]
    assert (mode.weights == "pretrained") == name.endswith("pretrained")
    assert (mode.pretraining == "simclr") == name.startswith("simclr")
    assert (mode.pretraining == "supervised") == name.startswith("supervised")
    assert (mode.evaluation == "finetune") == name.startswith("cifar")


def test_published_figures_are_in_the_published_order():
    order = sorted(simclr.MODES, key=lambda name: -simclr.MODES[name].published)
    assert order == [
        "cifar_supervised_pretrained",
        "pretrained",
        "supervised_pretrained",
        "simclr_pretrained",
        "cifar_supervised_scratch",
        "supervised_scratch",
        "simclr_scratch",
        "scratch",
    ]


@pytest.mark.parametrize("name", PRETRAINED)
def test_pretrained_modes_start_from_the_shipped_weights_and_learn_gently(name):
    settings, mode = simclr.settings("tiny"), simclr.get(name)
    start = simclr.encoder(mode, settings=settings, seed=3)
    assert torch.equal(weights(start), weights(resnet.shipped()))
    assert settings.config(0, mode).lr == settings.finetune_lr < settings.config(0, simclr.get("scratch")).lr


def test_a_model_without_pretrained_weights_is_told():
    settings = simclr.settings("tiny", model="lenet")
    with pytest.raises(LabError, match=r"Unknown pretrained model 'lenet'.*resnet_tiny"):
        simclr.encoder(simclr.get("pretrained"), settings=settings)


def test_unknown_names_bring_the_nearest():
    with pytest.raises(LabError, match="simclr_scratch"):
        simclr.get("simclr_scrach")
    with pytest.raises(LabError, match="Did you mean tiny"):
        simclr.settings("tine")
    with pytest.raises(LabError, match="Did you mean temperature"):
        simclr.settings("tiny", temprature=1.0)
    with pytest.raises(LabError, match="batch_size"):
        simclr.settings("tiny", batch_size=1)


def test_zero_steps_and_none_keep_the_presets_own_value():
    tiny = simclr.PRESETS["tiny"]
    assert simclr.settings("tiny", max_steps=0, temperature=None) == tiny
    assert simclr.settings("tiny", max_steps=7).max_steps == 7 != tiny.max_steps


def test_every_mode_of_a_seed_starts_from_the_same_weights():
    settings = simclr.settings("tiny")
    starts = [weights(simclr.encoder(simclr.get(name), settings=settings, seed=3)) for name in RANDOM]
    assert all(torch.equal(start, starts[0]) for start in starts)
    assert not torch.equal(weights(simclr.encoder(simclr.get("scratch"), settings=settings, seed=4)), starts[0])


def test_pretraining_and_downstream_set_share_no_class(shapes):
    pretrain, downstream = shapes
    assert not set(pretrain.classes) & set(downstream.classes)
    assert (len(downstream.train), len(downstream.val)) == (100, 50)


def test_pretraining_is_what_the_table_says(shapes):
    pretrain, _ = shapes
    settings = simclr.settings("tiny", **SMALL)
    steps = {}
    for name in simclr.MODES:
        mode = simclr.get(name)
        task = simclr.pretraining(mode, simclr.encoder(mode, settings=settings), pretrain, settings=settings)
        steps[name] = task and (task.step, task.train.views, task.config)
    budget, gentle = settings.config(0), settings.config(0).but(lr=settings.finetune_lr)
    assert steps == {
        "scratch": None,
        "pretrained": None,
        "cifar_supervised_scratch": None,
        "cifar_supervised_pretrained": None,
        "simclr_scratch": (contrastive, 2, budget),
        "simclr_pretrained": (contrastive, 2, gentle),
        "supervised_scratch": (supervised, 1, budget),
        "supervised_pretrained": (supervised, 1, gentle),
    }


def test_run_mode_takes_the_pieces_in_their_order(shapes, tmp_path):
    """Fine-tuned: probes of the first weights, then a training of everything. By hand, the same numbers."""
    settings, name = simclr.settings("tiny", **SMALL), "cifar_supervised_scratch"
    pretrain, downstream = shapes
    done = simclr.run_mode(name, pretrain, downstream, settings=settings, run=RunFolder(tmp_path / "run").create({}))
    net = simclr.encoder(simclr.get(name), settings=settings)
    frozen = evaluate.evaluate_linear_head(net, downstream, mean=pretrain.mean, std=pretrain.std)
    task = simclr.supervised_task(net, downstream, settings=settings, mode=simclr.get(name))
    task.fit(run=RunFolder(tmp_path / "by hand").create({}), progress=False)
    own = {"mean": downstream.mean, "std": downstream.std}
    by_hand = evaluate.evaluate(task.model, data.Batches.evaluation(downstream.test, 256, **own))
    assert done.results["linear"] == frozen.linear.accuracy and done.results["knn"] == frozen.knn.accuracy
    assert done.results["accuracy"] == by_hand.accuracy == done.finetuned.accuracy
    assert (done.results["steps"], done.results["images_seen"]) == (2, 16)
    assert done.results["test_images"] == len(downstream.test)


def test_another_pretraining_set_may_be_named(tmp_path):
    settings = simclr.settings("tiny", downstream_labels=100)
    pretrain, downstream = simclr.sources("digits", pretrain_dataset="shapes", settings=settings)
    assert (pretrain.name, downstream.name) == ("shapes", "digits")
    assert len(downstream.train) == 100 and len(pretrain.train) > 5000
    same, downstream = simclr.sources("digits", settings=settings)
    assert same.name == downstream.name == "digits" and len(same.train) > len(downstream.train)


def rows(split):
    return {image.numpy().tobytes() for image in split.images}


def test_a_set_that_serves_as_both_keeps_what_is_chosen_on_from_all_training():
    pretrain, downstream = simclr.sources("digits", settings=simclr.settings("tiny", downstream_labels=200))
    assert (len(downstream.train), len(downstream.val)) == (200, 100)
    assert rows(downstream.train) <= rows(pretrain.train)
    assert not rows(downstream.val) & (rows(pretrain.train) | rows(downstream.train) | rows(downstream.test))


def test_a_folder_with_a_val_split_of_its_own_gives_as_many_labels_as_asked_for(tmp_path):
    generator = torch.Generator().manual_seed(0)
    for split, count in (("train", 30), ("val", 20), ("test", 5)):
        for name in "ab":
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = torch.randint(0, 256, (8, 8, 3), dtype=torch.uint8, generator=generator)
                Image.fromarray(pixels.numpy()).save(tmp_path / split / name / f"{number}.png")
    settings = simclr.settings("tiny", downstream_labels=20, image_size=8)
    pretrain, downstream = simclr.sources("folder", root=tmp_path, settings=settings)
    assert [len(split) for split in (pretrain.train, downstream.train, downstream.val, downstream.test)] == [
        60,
        20,
        10,
        10,
    ]
    assert rows(downstream.val) <= rows(pretrain.val)


def test_a_downstream_set_without_labels_is_refused_before_anything_is_trained(monkeypatch):
    digits = data.load("digits")
    digits.test = replace(digits.test, labels=None)
    monkeypatch.setattr(simclr.data, "load", lambda *_, **__: digits)
    with pytest.raises(LabError, match=r"The test images of digits have no labels.*pretrain_dataset=digits"):
        simclr.sources("digits", settings=simclr.settings("tiny"))


@pytest.mark.parametrize("name", ["simclr_scratch", "supervised_scratch"])
def test_digits_are_not_mirrored(name, shapes):
    settings, mode = simclr.settings("tiny", **SMALL), simclr.get(name)
    flips = []
    for source in (shapes[0], data.load("digits")):
        encoder = simclr.encoder(mode, settings=settings, channels=source.channels)
        flips.append(simclr.pretraining(mode, encoder, source, settings=settings).train.augment.flip)
    assert flips == [0.5, 0.0]


def test_color_zero_leaves_the_colors_of_a_view_alone(shapes):
    images = shapes[0].train.images[:64]
    flat = images.float().mean(dim=(2, 3), keepdim=True).expand_as(images).round().to(torch.uint8)
    plain = simclr.settings("tiny", color=0.0).view(32)(flat, torch.Generator().manual_seed(0))
    jittered = simclr.settings("tiny").view(32)(flat, torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain, flat / 255, atol=1e-5, rtol=0)  # a crop of one color
    assert (jittered - flat / 255).abs().mean() > 0.05


def test_supervised_task_refuses_images_without_labels(shapes):
    pretrain, _ = shapes
    bare = SimpleNamespace(name="bare", train=replace(pretrain.train, labels=None))
    with pytest.raises(LabError, match="bare has no labels"):
        simclr.supervised_task(None, bare, settings=simclr.settings("tiny"))


def test_a_dinov3_of_ones_own_is_a_pretrained_start(tmp_path):
    """Saved by transformers, read back by path, through the mode: the same weights."""
    saved = models.build("dinov3_tiny", num_classes=None, dim=16, depth=1, heads=2)
    saved.vit.save_pretrained(tmp_path / "mine")
    settings = simclr.settings("tiny", model="dinov3_tiny", weights=str(tmp_path / "mine"))
    start = simclr.encoder(simclr.get("simclr_pretrained"), settings=settings)
    assert torch.equal(weights(start), weights(saved))
    with pytest.raises(LabError, match="name its folder"):
        simclr.encoder(simclr.get("pretrained"), settings=settings.but(weights=""))


def test_dinov3_that_was_not_fetched_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    with pytest.raises(LabError, match="labkit fetch dinov3"):
        simclr.encoder(simclr.get("pretrained"), settings=simclr.settings("dinov3"))


def test_a_batch_that_ranks_cannot_share_is_told(shapes, monkeypatch):
    monkeypatch.setattr("labkit.distributed.world_size", lambda: 3)
    settings = simclr.settings("tiny", **SMALL)
    encoder = simclr.encoder(simclr.get("scratch"), settings=settings)
    with pytest.raises(LabError, match="A batch of 8 images does not part evenly among 3 ranks"):
        simclr.simclr_task(encoder, shapes[0], settings=settings)
