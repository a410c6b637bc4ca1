"""What the steps refuse before the first batch: told in one sentence by `fit`, never by torch."""

import warnings
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

from labkit import evaluate
from labkit.data.batches import Batches
from labkit.data.splits import Split
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


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 4))


def train(tmp_path, data, *, step, val=None, loss=None, **settings):
    model = net()
    run = RunFolder(tmp_path / "run")
    run.create({"notebook": None, "kind": "test"}, state="running")
    config = TrainConfig(epochs=1, precision="fp32", **settings)
    return fit(model, data, config=config, step=step, val=val, loss=loss, run=run, progress=False)


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


def test_images_and_labels_of_any_library_are_served_as_a_split_is():
    images = torch.arange(6 * 48).remainder(256).to(torch.uint8).view(6, 3, 4, 4)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    wanted = next(iter(Batches(Split(images, labels), 6, device="cpu")))
    for same in ((images, labels), [images.numpy(), labels.tolist()], TensorDataset(images, labels.int())):
        found = next(iter(Batches(same, 6, device="cpu")))
        assert torch.equal(found.images, wanted.images) and torch.equal(found.labels, wanted.labels)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda d, s: Batches(DataLoader(d, 4), 4), "A DataLoader cannot be served as batches; give a split of labkit"),
        (lambda d, s: Batches((d.tensors[0], torch.eye(8)), 4), "Labels are whole numbers .* take argmax"),
        (
            lambda d, s: Batches(s, 4, augment=v2.RandomHorizontalFlip()),
            r"RandomHorizontalFlip, which takes one image.*simclr_view\(",
        ),
        (lambda d, s: fit(net(), DataLoader(d, 4), config=TrainConfig(epochs=1)), "train is a DataLoader: pass"),
        (
            lambda d, s: fit(net(), Batches(s, 4), val=DataLoader(d, 4), config=TrainConfig(epochs=1)),
            "val is a DataLoader",
        ),
    ],
)
def test_what_cannot_be_served_is_told_with_the_way_out(call, told):
    images = torch.zeros(8, 3, 4, 4, dtype=torch.uint8)
    labels = torch.zeros(8, dtype=torch.long)
    with pytest.raises(LabError, match=told):
        call(TensorDataset(images, labels), Split(images, labels))


def test_a_step_of_ones_own_may_return_its_loss_alone(tmp_path):
    def bare(model, batch, loss):
        return nn.functional.cross_entropy(model(batch.images), batch.labels)

    with_count = train(tmp_path / "a", batches(1), step=lambda m, b, o: {"loss": bare(m, b, o), "count": len(b.images)})
    assert train(tmp_path / "b", batches(1), step=bare).steps == with_count.steps
    for number, wrong in enumerate(({"count": 3}, None, torch.ones(2))):
        with pytest.raises(LabError, match=r'A step returns \{"loss": one number as a tensor'):
            train(tmp_path / str(number), batches(1), step=lambda m, b, o, wrong=wrong: wrong)


def test_a_setting_of_the_loss_has_no_effect_beside_a_loss_of_ones_own(tmp_path):
    with pytest.raises(LabError, match="label_smoothing has no effect where a loss is given"):
        train(tmp_path, batches(1), step=supervised, loss=nn.CrossEntropyLoss(), label_smoothing=0.1)
    with pytest.raises(LabError, match="focal_gamma has no effect in this step"):
        train(tmp_path / "own", batches(2), step=contrastive, focal_gamma=2.0)


def test_another_normalization_than_in_training_is_said(tmp_path):
    model, data = net(), split()
    normal = {"mean": [0.5] * 3, "std": [0.25] * 3}
    run = RunFolder(tmp_path / "run").create({})
    fit(model, Batches(data, 4, device="cpu", **normal), config=TrainConfig(max_steps=1), run=run, progress=False)
    with pytest.warns(UserWarning, match="normalized otherwise: pass the mean and std of the training set"):
        evaluate.evaluate(model, Batches.evaluation(data, 4, device="cpu"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate.evaluate(model, Batches.evaluation(data, 4, device="cpu", **normal))
