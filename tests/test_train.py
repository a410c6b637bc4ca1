"""The loop agrees with a plain PyTorch loop, stops where it should, keeps the best, refuses what is wrong."""

import math
import os
import signal
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labkit.data.batches import Batches
from labkit.losses import NTXentLoss
from labkit.run_folder import LabError, RunFolder
from labkit.train import TrainConfig, fit, load_best
from labkit.train.checkpoint import load
from labkit.train.loop import count_steps
from labkit.train.step import contrastive
from labkit.train.tracking import Tracker
from labkit.transforms import simclr_view


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "run").create({})


def toy_split(count=96, seed=0, classes=3):
    """Noisy images whose brightness tells the class: uint8 (N, 3, 8, 8)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (count,), generator=generator)
    noise = torch.randint(0, 120, (count, 3, 8, 8), generator=generator)
    return SimpleNamespace(images=(noise + 60 * labels[:, None, None, None]).to(torch.uint8), labels=labels)


def convnet(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(216, 3)
    )


def linear(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 3))


def batches(count=96, batch_size=16, **options):
    return Batches(toy_split(count), batch_size, device="cpu", **options)


def evaluation(count=60, seed=1):
    return Batches.evaluation(toy_split(count, seed), 25, device="cpu")


def settings(**changes):
    return TrainConfig(**{"epochs": 2, "precision": "fp32", "log_every": 1} | changes)


def train(model, run, *, config, data=None, quiet=True, **options):
    options = {"progress": False if quiet else None, "tracker": Tracker(run, tensorboard=False)} | options
    return fit(model, data or batches(), config=config, run=run, **options)


def weights(model):
    return torch.cat([v.flatten().double() for v in model.state_dict().values()])


def test_it_takes_the_steps_of_a_plain_pytorch_loop(run):
    model, twin, data = convnet(), convnet(), batches()
    history = train(model, run, config=settings(optimizer="sgd", lr=0.1, schedule="constant", warmup_steps=0))

    torch.manual_seed(0)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    losses = []
    twin.train()
    for epoch in range(2):
        for images, labels, _ in data.epoch(epoch):
            loss = F.cross_entropy(twin(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

    assert [row["loss"] for row in history.steps] == pytest.approx(losses, rel=1e-4)
    assert [row["train_loss"] for row in history.epochs] == pytest.approx(
        [sum(losses[:6]) / 6, sum(losses[6:]) / 6], rel=1e-4
    )
    torch.testing.assert_close(weights(model), weights(twin), rtol=1e-3, atol=1e-4)


def test_equal_seeds_write_equal_files_and_other_seeds_do_not(tmp_path):
    logs = []
    for number, seed in enumerate((0, 0, 1)):
        folder = RunFolder(tmp_path / str(number)).create({})
        train(convnet(), folder, config=settings(seed=seed), val=evaluation())
        logs.append(folder.metrics_log.read_bytes())
    assert logs[0] == logs[1] != logs[2]
    assert b"second" not in logs[0]  # no wall-clock in the record


def test_validation_counts_every_image_once_in_eval_mode(run):
    model, val = convnet(), evaluation(60)
    history = train(model, run, config=settings(epochs=1), val=val)
    images = torch.cat([batch.images for batch in val.epoch(0)])
    with torch.no_grad():
        logits = model.eval()(images)
    row = history.epochs[-1]
    assert row["val_loss"] == pytest.approx(F.cross_entropy(logits, val.labels).item(), rel=1e-5)
    assert row["val_accuracy"] == pytest.approx((logits.argmax(1) == val.labels).float().mean().item())
    assert not model.training


def test_accumulating_two_halves_equals_the_whole_batch(tmp_path):
    results = {}
    for accumulate, size in ((1, 16), (2, 8)):
        model, folder = linear(), RunFolder(tmp_path / str(accumulate)).create({})
        data = batches(batch_size=size)
        config = settings(optimizer="sgd", lr=0.1, accumulate=accumulate)
        history = train(model, folder, data=data, config=config)
        results[accumulate] = (weights(model), [row["loss"] for row in history.steps], history.step)
    torch.testing.assert_close(results[1][0], results[2][0], rtol=1e-4, atol=1e-6)
    assert results[1][1] == pytest.approx(results[2][1], rel=1e-4)
    assert results[1][2] == results[2][2] == 12


@pytest.mark.parametrize(
    "wanted, steps",
    [
        ({"epochs": 3}, 12),
        ({"max_steps": 5}, 5),
        ({"epochs": 3, "max_steps": 7}, 7),
        ({"epochs": 1, "max_steps": 7}, 4),
    ],
)
def test_the_smaller_of_epochs_and_steps_wins(wanted, steps):
    assert count_steps(TrainConfig(accumulate=3, **wanted), 10) == steps


def test_a_training_of_steps_ends_inside_an_epoch(run):
    history = train(linear(), run, config=settings(epochs=None, max_steps=8), val=evaluation())
    assert (history.step, history.stopped_because) == (8, "max_steps")
    assert [row["step"] for row in history.epochs] == [6, 8]
    assert "val_accuracy" in history.epochs[-1]
    assert history.images == 8 * 16


def scripted(values, key="val_accuracy"):
    """Return a monitor that measures what it is told to."""
    rest = iter(values)
    return lambda model: {key: next(rest)}


def test_it_stops_when_patience_evaluations_in_a_row_meet_the_target(run):
    seen = [0.5, 0.9, 0.7, 0.9, 0.95, 0.99]
    history = train(
        linear(), run, config=settings(epochs=6, target_accuracy=0.9), val=evaluation(), monitor=scripted(seen)
    )
    assert history.column("val_accuracy") == seen[:5]
    assert (history.stopped_because, history.epoch) == ("target", 5)


def test_patience_of_one_stops_at_the_first_success(run):
    config = settings(epochs=6, target_accuracy=0.9, patience=1)
    history = train(linear(), run, config=config, val=evaluation(), monitor=scripted([0.5, 0.9, 0.7]))
    assert history.epoch == 2


def test_best_is_the_earliest_of_the_highest_and_last_is_last(run):
    seen, kept = iter([0.5, 0.8, 0.8, 0.6]), []

    def monitor(model):
        kept.append(weights(model))
        return {"val_accuracy": next(seen)}

    model = linear()
    history = train(model, run, config=settings(epochs=4), val=evaluation(), monitor=monitor)
    assert history.best_epoch == 2
    assert torch.equal(weights(model), kept[3])
    assert load_best(model, run) == 2
    assert torch.equal(weights(model), kept[1])
    assert not torch.equal(kept[1], kept[3])


def test_best_can_be_the_lowest_of_another_number(run):
    model = linear()
    train(model, run, config=settings(epochs=3), best_by="-worry", monitor=scripted([3.0, 1.0, 2.0], "worry"))
    assert load_best(model, run) == 2


@pytest.mark.parametrize(("best_by", "epoch"), [("val_loss", 2), ("-val_loss", 2), ("val_lossless", 3)])
def test_a_loss_is_best_where_it_is_lowest(run, best_by, epoch):
    model, key = linear(), best_by.removeprefix("-")
    train(model, run, config=settings(epochs=3), best_by=best_by, monitor=scripted([2.0, 1.0, 3.0], key))
    assert load_best(model, run) == epoch


def test_frozen_parts_stay_as_they_are(run):
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Dropout(0.9)), nn.BatchNorm2d(6))
    model = nn.Sequential(model, nn.Flatten(), nn.Linear(216, 3))
    model[0][0].requires_grad_(False)
    before = [{key: value.clone() for key, value in model[0][k].state_dict().items()} for k in range(2)]
    seen = []
    model[0][0].register_forward_hook(lambda module, *_: seen.append(module[2].training or module.training))
    train(model, run, config=settings(), val=evaluation())
    frozen, free = (model[0][k].state_dict() for k in range(2))
    assert all(torch.equal(frozen[key], value) for key, value in before[0].items()) and not any(seen)
    assert not torch.equal(free["running_mean"], before[1]["running_mean"])


def test_choosing_by_a_number_that_is_not_measured_is_refused(run):
    with pytest.raises(LabError, match=r"'val_acuracy'\. Did you mean val_accuracy"):
        train(linear(), run, config=settings(), val=evaluation(), best_by="val_acuracy")


def test_without_validation_there_is_no_best(run):
    history = train(linear(), run, config=settings(epochs=1))
    assert history.best_epoch is None
    with pytest.raises(LabError, match=r"no checkpoint .*best\.pt"):
        load_best(linear(), run)


def test_evaluations_can_be_rarer_than_epochs(run):
    history = train(linear(), run, config=settings(epochs=5, evaluate_every=2), val=evaluation())
    assert [row["epoch"] for row in history.epochs if "val_loss" in row] == [2, 4, 5]


def test_a_loss_that_is_no_number_stops_names_the_step_and_keeps_the_checkpoint(run):
    calls = 0

    def poisoned(logits, labels):
        nonlocal calls
        calls += 1
        return F.cross_entropy(logits, labels) * (math.nan if calls == 9 else 1.0)

    with pytest.raises(LabError, match=r"at step 9; .*last\.pt keeps the last good.*grad_clip"):
        train(linear(), run, config=settings(log_every=100), loss=poisoned)
    kept = load(run.checkpoints / "model" / "last.pt")
    assert kept["history"]["step"] == 6
    assert all(v.isfinite().all() for v in kept["learner"]["model"].values())


def test_weights_that_are_no_numbers_are_never_saved(run):
    """An infinite gradient leaves the loss of its own step finite: only the weights tell."""
    model, calls = linear(), 0

    def explosive(logits, labels):
        nonlocal calls
        calls += 1
        loss = F.cross_entropy(logits, labels)
        if calls == 12:
            loss.register_hook(lambda grad: grad * math.inf)
        return loss

    with pytest.raises(LabError, match="weights have become infinite or NaN"):
        train(model, run, config=settings(), loss=explosive)
    assert load(run.checkpoints / "model" / "last.pt")["history"]["epoch"] == 1


def test_a_label_out_of_range_is_refused_before_anything_is_written(run):
    split = toy_split()
    split.labels[17] = 3
    with pytest.raises(LabError, match=r"Label 3 of the training set .* is outside 0..2"):
        train(linear(), run, config=settings(), data=Batches(split, 16, device="cpu"))
    assert not run.metrics_log.exists() and not any(run.checkpoints.iterdir())


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"batch_size": 32}, "says batch_size=32, the batches hold 16"),
        ({"target_accuracy": 0.9}, "target_accuracy is measured on validation images"),
        ({"optimizer": "adamv"}, "Unknown optimizer 'adamv'. Did you mean adam"),
        ({"schedule": "cosin"}, "Unknown schedule 'cosin'. Did you mean cosine"),
        ({"warmup_steps": 100}, "100 warm-up steps do not fit into 12"),
        ({"class_weights": [1, 2]}, "2 class weights for 3 classes"),
    ],
)
def test_settings_that_cannot_work_are_refused(run, changes, told):
    with pytest.raises(LabError) as caught:
        train(linear(), run, config=settings(**changes))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"class_weights": "balanced"},
        {"focal_gamma": 2.0},
        {"hard_fraction": 0.5},
        {"label_smoothing": 0.1},
        {"optimizer": "lars", "lr": 1.0},
        {"schedule": "one_cycle"},
    ],
)
def test_every_way_of_training_learns_the_toy(run, changes):
    config = settings(epochs=6, **{"lr": 1e-2} | changes)
    history = train(convnet(), run, config=config, val=evaluation())
    assert history.epochs[-1]["val_accuracy"] > 0.6  # 1/3 by chance


def test_contrastive_training_brings_partners_together(run):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 16))
    augment = simclr_view(8, area=(0.8, 1.0), strength=0.2, gray=0.0)
    data = batches(views=2, augment=augment, batch_size=32)
    val = Batches(toy_split(64, 1), 32, views=2, augment=augment, shuffle=False, device="cpu")
    history = train(
        model, run, data=data, val=val, config=settings(epochs=8, lr=1e-2), step=contrastive, loss=NTXentLoss(0.2)
    )
    losses = history.column("train_loss")
    assert losses[-1] < losses[0] - 0.1 < math.log(63)  # ln 63: every candidate looks alike
    assert history.epochs[-1]["val_accuracy"] > 5 / 63


def test_a_finished_training_comes_back_at_once_with_weights_and_generators(run):
    first = convnet()
    history = train(first, run, config=settings(), val=evaluation())
    drawn = torch.rand(3)
    log = run.metrics_log.read_bytes()

    class Unread(Batches):
        def epoch(self, e, start=0):
            raise AssertionError("a finished training read a batch")

    again = convnet()
    again.num_classes = 3  # else the loop looks at one output to count them
    data = Unread(toy_split(), 16, device="cpu")
    assert train(again, run, config=settings(), data=data, val=evaluation(), resume=True) == history
    assert torch.equal(weights(again), weights(first)) and not again.training
    assert torch.equal(torch.rand(3), drawn)
    assert run.metrics_log.read_bytes() == log


def test_two_fits_of_one_run_keep_apart(run):
    train(linear(0), run, config=settings(), name="first")
    train(linear(1), run, config=settings(epochs=1), name="second")
    assert {p.name for p in run.checkpoints.iterdir()} == {"first", "second"}
    rows = run.read_metrics()
    epochs = [row["fit"] for row in rows if row["kind"] == "epoch"]
    assert epochs == ["first", "first", "second"]


def test_a_second_fit_that_forgot_its_name_is_not_taken_for_the_first(run):
    train(linear(0), run, config=settings())
    with pytest.raises(LabError, match="began from other initial weights"):
        train(linear(1), run, config=settings(), resume=True)
    history = train(linear(1), run, config=settings(epochs=1))
    assert history.step == 6
    assert [row["step"] for row in run.read_metrics() if row["kind"] == "epoch"] == [6]


def test_changed_settings_are_named_and_not_mixed_with_an_old_checkpoint(run):
    train(linear(), run, config=settings(lr=0.1))
    with pytest.raises(LabError, match=r"lr was 0\.1, is 0\.01.*resume=False"):
        train(linear(), run, config=settings(lr=0.01), resume=True)


def test_the_checkpoint_of_another_model_is_refused_naming_both(run):
    train(linear(), run, config=settings())
    with pytest.raises(LabError, match=r"Sequential of 579 parameters.*Sequential of 831 parameters"):
        train(convnet(), run, config=settings(), resume=True)
    train(linear(), run, config=settings(), val=evaluation(), name="chosen")
    with pytest.raises(LabError, match="holds a Sequential of 579 parameters"):
        load_best(convnet(), run, "chosen")


def test_times_go_to_timings_alone(run):
    history = train(linear(), run, config=settings(), name="timed")
    timings = run.read_timings()
    assert timings["timed_seconds"] == pytest.approx(history.seconds, abs=1e-3)
    assert timings["timed_images_per_second"] == pytest.approx(history.images_per_second, rel=1e-2)
    assert sum(history.epoch_seconds) == pytest.approx(history.seconds)
    assert len(history.epoch_seconds) == 2


def test_a_log_gets_one_line_per_epoch(run, capsys):
    train(linear(), run, config=settings(), val=evaluation(), quiet=False, name="toy")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("toy: epoch 2, step 12/12: train_loss ") and "val_accuracy" in lines[1]


def test_the_stop_button_saves_and_the_same_cell_goes_on_where_asked(tmp_path):
    """The same model object, half trained, meets its own checkpoint: that is no other model."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores Ctrl-C

    class Pressed(Batches):
        def epoch(self, e, start=0):
            for number, batch in enumerate(super().epoch(e, start), start):
                if (e, number) == (1, 2):
                    os.kill(os.getpid(), signal.SIGINT)
                yield batch

    straight, stopped = convnet(), convnet()
    whole = train(straight, RunFolder(tmp_path / "a").create({}), config=settings())
    run = RunFolder(tmp_path / "b").create({})
    with pytest.raises(KeyboardInterrupt, match="saved step 8"):
        train(stopped, run, config=settings(), data=Pressed(toy_split(), 16, device="cpu"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert train(stopped, run, config=settings(), resume=True) == whole
    assert torch.equal(weights(stopped), weights(straight))
