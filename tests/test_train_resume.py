"""Interrupted and resumed equals uninterrupted, bit for bit: weights, log, history, best, generators."""

import random
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from labkit.data.batches import Batches
from labkit.losses import NTXentLoss
from labkit.models import SimCLRModel
from labkit.run_folder import Interrupted, LabError, RunFolder
from labkit.train import TrainConfig, fit, loop
from labkit.train.checkpoint import Checkpointer, checkpoint_paths, digest, load
from labkit.train.step import contrastive
from labkit.train.tracking import Tracker
from labkit.transforms import simclr_view, supervised


@pytest.fixture
def folder(tmp_path):
    return lambda name: RunFolder(tmp_path / name).create({})


class Killed(BaseException):
    """Stands for a kill: nothing in the loop catches it, nothing is saved."""


def split(count, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (count,), generator=generator)
    noise = torch.randint(0, 120, (count, 3, 8, 8), generator=generator)
    return SimpleNamespace(images=(noise + 60 * labels[:, None, None, None]).to(torch.uint8), labels=labels)


class Watched(Batches):
    """Batches that call `at[n]` when the n-th batch of this attempt is fetched."""

    def __init__(self, at=None):
        super().__init__(split(88, 0), 16, device="cpu", drop_last=False, augment=supervised(8, pad=1))
        self.at, self.fetched = at or {}, 0

    def epoch(self, e, start=0):
        for batch in super().epoch(e, start):
            self.fetched += 1
            self.at.get(self.fetched, lambda: None)()
            yield batch


def model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(216, 3)
    )


def probe(model):
    """A monitor that draws from every generator, as a notebook's own measurement may."""
    return {"probe": random.random() + np.random.rand() + torch.rand(()).item()}


def train(network, run, data=None, *, name="model", best_by="val_accuracy", **settings):
    config = TrainConfig(**{"epochs": 3, "log_every": 2, "lr": 0.01, "precision": "fp32"} | settings)
    val = Batches.evaluation(split(40, 1), 16, device="cpu")
    return fit(
        network,
        data or Watched(),
        config=config,
        val=val,
        run=run,
        name=name,
        monitor=probe,
        best_by=best_by,
        progress=False,
        tracker=Tracker(run, tensorboard=False),
        resume=True,
    )


def everything(network, run, history, name="model"):
    """Return all that must not tell an interrupted training from a straight one, in comparable form."""
    last, best = (load(path) for path in checkpoint_paths(run, name))
    return {
        "weights": {k: v.tolist() for k, v in network.state_dict().items()},
        "log": run.metrics_log.read_bytes(),
        "history": history,
        "best": (best["epoch"], {k: v.tolist() for k, v in best["model"].items()}),
        "optimizer": str(last["learner"]["optimizer"]),
        "scaler": last["learner"]["scaler"],
        "generators": str(last["ranks"]),
    }


WAYS = {
    "adamw": {},
    "accumulated": {"accumulate": 4},  # 6 batches: groups of 4 and 2
    "sgd_cosine": {"optimizer": "sgd", "schedule": "cosine", "warmup_steps": 4, "lr": 0.1},
    "by_steps": {"epochs": None, "max_steps": 15},
    "clipped_bf16": {"grad_clip": 0.5, "precision": "bf16"},
    "scaled_fp16": {"precision": "fp16"},
}


@pytest.mark.parametrize("way", WAYS)
def test_stopped_at_any_step_and_resumed_equals_uninterrupted(folder, way):
    settings = WAYS[way]
    network, run = model(), folder("straight")
    expected = everything(network, run, train(network, run, **settings))
    for stop_at in (1, 2, 5, 6, 7, 12, 15):
        run, network = folder(f"stopped{stop_at}"), model()
        with pytest.raises(Interrupted, match="has saved step"):
            train(network, run, Watched({stop_at: run.stop_flag.touch}), **settings)
        run.stop_flag.unlink()
        disturb_generators()
        network = model()
        history = train(network, run, **settings)
        assert everything(network, run, history) == expected, f"stopped at batch {stop_at}"


def disturb_generators():
    random.seed(99)
    np.random.seed(99)
    torch.manual_seed(99)


def test_stopped_again_and_again_equals_uninterrupted(folder):
    network, run = model(), folder("straight")
    expected = everything(network, run, train(network, run))
    run = folder("stuttering")
    for _ in range(17):
        with pytest.raises(Interrupted):
            train(model(), run, Watched({3: run.stop_flag.touch}))  # 1 is a look at one output; 2 trains
        run.stop_flag.unlink()
    network = model()
    data = Watched()
    history = train(network, run, data)
    assert everything(network, run, history) == expected
    assert data.fetched == 2  # 17 of 18 steps were made before


def kill():
    raise Killed


@pytest.mark.parametrize("killed_at", [2, 4, 8, 12, 13, 17])
def test_killed_without_a_word_and_resumed_equals_uninterrupted(folder, killed_at):
    """The rows written after the last checkpoint are dropped and written again."""
    network, run = model(), folder("straight")
    expected = everything(network, run, train(network, run, checkpoint_every_steps=4))
    run = folder("killed")
    with pytest.raises(Killed):
        train(model(), run, Watched({killed_at: kill}), checkpoint_every_steps=4)
    network = model()
    assert everything(network, run, train(network, run, checkpoint_every_steps=4)) == expected


@pytest.mark.parametrize("killed_in_epoch", [1, 2, 3])
def test_killed_between_last_and_best_both_are_right_after_all(folder, monkeypatch, killed_in_epoch):
    network, run = model(), folder("straight")
    expected = everything(network, run, train(network, run, best_by="-train_loss"))
    run, write = folder("killed"), Checkpointer._save_best

    def interrupted_write(self, epoch):
        if epoch == killed_in_epoch:
            raise Killed
        write(self, epoch)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Checkpointer, "_save_best", interrupted_write)
        train(model(), run, best_by="-train_loss")
    network = model()
    assert everything(network, run, train(network, run, best_by="-train_loss")) == expected


def test_a_notebook_of_two_fits_stopped_in_the_second_equals_uninterrupted(folder):
    """The first fit comes back from its checkpoint; the second begins from equal weights and generators."""

    def notebook(run, data=None):
        torch.manual_seed(0)
        body, head = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.Dropout(0.2)), nn.Linear(8, 3)
        first = train(nn.Sequential(body, head), run, name="pretrain")
        second = nn.Sequential(body, nn.ReLU(), nn.Linear(8, 3))  # drawn after the first fit
        return second, first, train(second, run, data, name="finetune")

    run = folder("straight")
    network, first, second = notebook(run)
    expected = (first, everything(network, run, second, "finetune"))
    run = folder("stopped")
    with pytest.raises(Interrupted, match="'finetune'"):
        notebook(run, Watched({9: run.stop_flag.touch}))
    run.stop_flag.unlink()
    network, first, second = notebook(run)
    assert (first, everything(network, run, second, "finetune")) == expected


def test_a_checkpoint_at_the_end_of_an_epoch_alone_is_enough(folder):
    network, run = model(), folder("straight")
    expected = everything(network, run, train(network, run, epochs=4))
    run = folder("killed")
    with pytest.raises(Killed):
        train(model(), run, Watched({20: kill}), epochs=4, checkpoint_every=2)
    assert load(checkpoint_paths(run, "model")[0])["history"]["epoch"] >= 2
    network = model()
    assert everything(network, run, train(network, run, epochs=4, checkpoint_every=2)) == expected


def contrasted(run, *, temperature=0.2, strength=1.0, **options):
    """Train two steps contrastively under one name, as a notebook's cell does that is run again."""
    torch.manual_seed(0)
    views = Batches(split(48, 0), 16, device="cpu", views=2, augment=simclr_view(8, strength=strength))
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(192, 8))
    encoder.num_features = 8
    network = SimCLRModel(encoder, projection_dim=4)
    config = TrainConfig(max_steps=2, precision="fp32", lr=0.01)
    return fit(
        network,
        views,
        config=config,
        run=run,
        step=contrastive,
        loss=NTXentLoss(temperature),
        tracker=Tracker(run, tensorboard=False),
        **options,
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"temperature": 1.0}, r"loss was 'NTXentLoss\(.*temperature=0.2\) \w+', is 'NTXentLoss\(.*temperature=1.0"),
        ({"strength": 0.0}, "augment was 'SimCLRView"),
    ],
)
def test_a_cell_run_again_with_another_loss_or_view_is_no_old_result(folder, change, said):
    run = folder("cell")
    contrasted(run)
    with pytest.raises(LabError, match=said):
        contrasted(run, resume=True, **change)
    contrasted(run, **change)


def test_a_finished_fit_says_that_it_was_not_trained_again(folder, capsys):
    run = folder("cell")
    first = contrasted(run, progress=None)
    capsys.readouterr()
    assert contrasted(run, progress=None, resume=True).epochs == first.epochs
    assert "finished before, at step 2; nothing was trained again" in capsys.readouterr().err


STRENGTH = 1.0


def penalized(power):
    """Return a loss whose closure holds `power`, and which reads a global of the notebook."""
    return lambda logits, labels: STRENGTH * nn.functional.cross_entropy(logits, labels) ** power


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.ones(3)

    def forward(self, logits, labels):
        return nn.functional.cross_entropy(logits, labels, weight=self.weight)


def cell(run, *, data=0, labels=0, act=nn.ReLU, loss=None, val=False, mean=None, seed=0, resume=None, **settings):
    """Run a notebook's cell: build everything, train four steps."""
    pictures = split(64, data)
    pictures.labels = pictures.labels.roll(labels)
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 4), act(), nn.Linear(4, 3))
    network.num_classes = 3
    normal = {"device": "cpu"} if mean is None else {"device": "cpu", "mean": mean, "std": (0.5,) * 3}
    config = TrainConfig(**{"epochs": 1, "precision": "fp32", "lr": 0.01} | settings)
    history = fit(
        network,
        Batches(pictures, 16, **normal),
        config=config,
        val=Batches.evaluation(split(32, 9), 16, **normal) if val else None,
        loss=loss,
        run=run,
        progress=False,
        resume=resume,
        tracker=Tracker(run, tensorboard=False),
    )
    return history, torch.cat([p.flatten() for p in network.parameters()])


def summed(logits, labels):
    return nn.functional.cross_entropy(logits, labels)


def doubled(logits, labels):
    return 2 * nn.functional.cross_entropy(logits, labels)


doubled.__qualname__ = "summed"  # the same cell with an edited body


def reweighted():
    loss = Scaled()
    loss.weight = torch.tensor([1.0, 2.0, 3.0])
    return loss


OTHERS = [  # first call, second call, what is named where the second asks to go on
    ({}, {"lr": 0.02}, "lr was 0.01, is 0.02"),
    ({}, {"data": 5}, "training images was"),
    ({}, {"labels": 1}, "training labels was"),
    ({}, {"mean": (0.4, 0.4, 0.4)}, "training images was"),
    ({}, {"val": True}, "validation images was None"),
    ({}, {"act": nn.Tanh}, "modules was"),
    ({}, {"seed": 1}, "began from other initial weights"),
    ({"loss": summed}, {"loss": doubled}, r"loss was '.*', is '"),
    ({"loss": penalized(1)}, {"loss": penalized(2)}, r"loss was '.*', is '"),
    ({"loss": Scaled()}, {"loss": reweighted()}, r"loss was '.*', is '"),
]


@pytest.mark.parametrize(("first", "second", "said"), OTHERS, ids=range(len(OTHERS)))
def test_a_new_call_is_a_new_training_and_another_one_is_never_handed_back(folder, monkeypatch, first, second, said):
    run, fresh = folder("cell"), folder("fresh")
    cell(run, **first)
    again, weights = cell(run, **first | second)
    alone, expected = cell(fresh, **first | second)
    assert again == alone and torch.equal(weights, expected)
    run = folder("asked")
    cell(run, **first)
    with pytest.raises(LabError, match=said):
        cell(run, resume=True, **first | second)
    monkeypatch.setenv("LABKIT_RUN_DIR", str(run.path))
    loop._calls.clear()  # as in the process that a runner starts after an interruption
    with pytest.raises(LabError, match=said):
        cell(run, **first | second)


def test_a_loss_is_another_where_a_global_that_it_reads_is(monkeypatch):
    before, pair = digest(penalized(1)), (digest(partial(summed, 1)), digest(partial(summed, 2)))
    assert before == digest(penalized(1)) and pair[0] != pair[1]
    monkeypatch.setitem(globals(), "STRENGTH", 0.5)
    assert digest(penalized(1)) != before


def test_a_runner_goes_on_where_the_same_call_was_interrupted(folder, monkeypatch):
    """Calls are counted by name: a notebook that fits one name twice never meets its own other training."""
    run = folder("runner")
    monkeypatch.setenv("LABKIT_RUN_DIR", str(run.path))
    first, second = cell(run)[0], cell(run, lr=0.1)[0]
    assert second.epochs != first.epochs
    loop._calls.clear()
    assert cell(run)[0] == first  # last.pt is the second call's: trained, not handed back
    assert cell(run, lr=0.1)[0] == second
    loop._calls.clear()
    cell(run)
    loop._calls.clear()
    monkeypatch.setattr(Batches, "epoch", None)  # a finished training reads nothing
    assert cell(run)[0] == first


def test_a_longer_training_goes_on_and_a_shorter_one_is_refused(folder):
    run = folder("longer")
    short = cell(run)[0]
    longer = cell(run, epochs=3, resume=True)[0]
    assert (longer.step, longer.stopped_because, longer.epochs[0]) == (12, "epochs", short.epochs[0])
    with pytest.raises(LabError, match="stands at step 12, past the 8 of this configuration"):
        cell(run, epochs=2, resume=True)


@pytest.mark.parametrize("chosen", [True, False])
def test_the_callers_generators_and_flags_come_back(folder, chosen):
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    torch.use_deterministic_algorithms(not chosen)
    torch.backends.cudnn.benchmark = chosen
    try:
        disturb_generators()
        train(network, folder("done"), epochs=1, deterministic=chosen)
        with pytest.raises(Killed):
            train(network, folder("killed"), Watched({4: kill}), deterministic=chosen)
        flags = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
        assert (*flags, torch.backends.cudnn.benchmark) == (not chosen, False, chosen)
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.benchmark = False
    drawn = [random.random(), np.random.rand(), torch.rand(2).tolist()]
    disturb_generators()
    assert drawn == [random.random(), np.random.rand(), torch.rand(2).tolist()]
