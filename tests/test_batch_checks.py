"""What the steps refuse before the first batch: told in one sentence by `fit`, never by torch."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from labkit.data.batches import Batches
from labkit.run_folder import LabError, RunFolder
from labkit.train import TrainConfig, fit
from labkit.train.step import contrastive, need_pairs, supervised
from labkit.transforms import simclr_view


def split(count=12):
    images = torch.randint(0, 256, (count, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    return SimpleNamespace(images=images.to(torch.uint8), labels=torch.arange(count) % 4, name="toy")


def batches(views=1, batch_size=4, *, data=None, **options):
    augment = simclr_view(8, strength=0.2, gray=0.0) if views > 1 else None
    return Batches(data or split(), batch_size, views=views, augment=augment, device="cpu", **options)


def train(tmp_path, data, *, step, val=None, **settings):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    run = RunFolder(tmp_path / "run")
    run.create({"notebook": None, "kind": "test"}, state="running")
    config = TrainConfig(epochs=1, precision="fp32", **settings)
    return fit(model, data, config=config, step=step, val=val, run=run, progress=False)


@pytest.mark.parametrize("views", [1, 3])
def test_a_contrastive_step_compares_two_views(tmp_path, views):
    told = f"training set hold {views} views? of each image, and a contrastive step compares 2.*views=2"
    with pytest.raises(LabError, match=told):
        train(tmp_path, batches(views), step=contrastive)


def test_contrastive_validation_compares_two_views_as_well(tmp_path):
    told = "validation set hold 1 view of each image.*views=2.*, or leave val out"
    with pytest.raises(LabError, match=told):
        train(tmp_path, batches(2), step=contrastive, val=Batches.evaluation(split(), 4, device="cpu"))


@pytest.mark.parametrize(("many", "val", "named"), [(2, 1, "training"), (1, 2, "validation")])
def test_a_supervised_step_takes_one_view(tmp_path, many, val, named):
    told = f"{named} set hold 2 views of each image, and a supervised step takes one; build them with views=1"
    with pytest.raises(LabError, match=told):
        train(tmp_path, batches(many), step=supervised, val=batches(val))


@pytest.mark.parametrize("options", [{"batch_size": 1}, {"data": split(1), "drop_last": False}])
def test_a_picture_alone_has_no_negatives(tmp_path, options):
    cases = {"training": (batches(2, **options), None), "validation": (batches(2), batches(2, **options))}
    for named, (data, val) in cases.items():
        told = f"{named} set hold one image, and a picture alone has no negatives"
        with pytest.raises(LabError, match=told):
            train(tmp_path / named, data, step=contrastive, val=val)


def test_pictures_that_meet_in_a_group_or_on_other_ranks_are_not_alone(tmp_path):
    history = train(tmp_path, batches(2, 1), step=contrastive, accumulate=4)
    assert history.epochs[0]["train_loss"] > 0.5  # ln 7 by chance; alone it would be 0
    with pytest.raises(LabError, match="alone"):
        train(tmp_path / "alone", batches(2, 1), step=contrastive)
    need_pairs({"training": batches(2, 1, rank=1, world_size=2)}, accumulate=1)


@pytest.mark.parametrize("kind", [torch.int32, torch.float32, torch.uint8])
def test_labels_of_another_type_than_int64_are_refused(tmp_path, kind):
    data = split()
    data.labels = data.labels.to(kind)
    with pytest.raises(LabError, match=f"Labels of the training set are {kind}, not int64; take labels.long"):
        train(tmp_path, batches(data=data), step=supervised)
