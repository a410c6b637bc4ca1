"""A contrastive group of batches takes the very step of one large batch, and plain accumulation does not."""

import copy
from typing import NamedTuple

import pytest
import torch
from torch import nn

from labkit.losses import nt_xent
from labkit.train import TrainConfig
from labkit.train.step import Learner, contrastive, merge

CPU = torch.device("cpu")


class Batch(NamedTuple):
    images: tuple
    labels: None = None


def two_views(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(count, 3, 4, 4, generator=generator) for _ in range(2))


def network(*, dropout=0.0, norm=False):
    torch.manual_seed(0)
    layers = [nn.Flatten(), nn.Linear(48, 16), nn.BatchNorm1d(16) if norm else nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(16, 6))


def learner(model, **settings):
    config = {"optimizer": "sgd", "schedule": "constant", "warmup_steps": 0, "precision": "fp32", "lr": 0.1}
    made = Learner(model, TrainConfig(max_steps=10, **config | settings), total_steps=10, device=CPU)
    made.forward.train()
    return made


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def cut(views, sizes):
    return [Batch(part) for part in zip(*(view.split(sizes) for view in views), strict=True)]


@pytest.mark.parametrize("sizes", [[8, 8], [5, 7, 4], [1, 15]])
def test_a_group_takes_the_step_of_one_large_batch(sizes):
    views = two_views(16)
    large, small = network(), network()
    expected = learner(large).update([Batch(views)], contrastive, nt_xent, number=1)
    seen = learner(small).update(cut(views, sizes), contrastive, nt_xent, number=1)
    torch.testing.assert_close(weights(small), weights(large))
    torch.testing.assert_close(seen["loss"], expected["loss"])
    assert (seen["correct"].item(), seen["count"]) == (expected["correct"].item(), 16)


def test_plain_accumulation_would_be_another_loss():
    views, model = two_views(16), network()
    parts = [contrastive(model, batch, nt_xent) for batch in cut(views, [8, 8])]
    whole = contrastive(model, Batch(views), nt_xent)["loss"]
    assert merge(parts)["loss"] < whole - 0.3  # half of the negatives: an easier question


def test_dropout_falls_where_it_fell_and_the_generator_goes_on():
    """By hand: the same masks twice, the gradient through projections that were kept with their graph."""
    views, model = two_views(12), network(dropout=0.5)
    twin = copy.deepcopy(model).train()
    batches = cut(views, [6, 6])
    torch.manual_seed(5)
    learner(model, lr=1.0).update(batches, contrastive, nt_xent, number=1)
    after = torch.rand(1)
    torch.manual_seed(5)
    halves = [twin(torch.cat(batch.images)).chunk(2) for batch in batches]
    assert torch.equal(torch.rand(1), after)
    nt_xent(*(torch.cat(z) for z in zip(*halves, strict=True))).backward()
    stepped = torch.cat([(p - p.grad).detach().flatten() for p in twin.parameters()])
    torch.testing.assert_close(weights(model), stepped, atol=2e-3, rtol=0)  # weight decay: lr * 5e-4


def test_batchnorm_counts_each_image_once():
    views, model = two_views(12), network(norm=True)
    twin = copy.deepcopy(model).train()
    batches = cut(views, [6, 6])
    learner(model).update(batches, contrastive, nt_xent, number=1)
    for batch in batches:
        twin(torch.cat(batch.images))
    torch.testing.assert_close(model[2].running_mean, twin[2].running_mean)
    assert model[2].num_batches_tracked.item() == 2


def test_a_scaled_fp16_loss_gives_the_same_step():
    views = two_views(16)
    plain, scaled = network(), network()
    learner(plain).update(cut(views, [8, 8]), contrastive, nt_xent, number=1)
    halved = learner(scaled)
    halved.scaler = torch.amp.GradScaler("cpu", enabled=True, init_scale=256.0)
    halved.update(cut(views, [8, 8]), contrastive, nt_xent, number=1)
    torch.testing.assert_close(weights(scaled), weights(plain), atol=1e-5, rtol=1e-4)
