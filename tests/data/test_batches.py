"""Batches: whole epochs, shards, exact resume, and the same bits from memory and from workers."""

from types import SimpleNamespace

import pytest
import torch

from labkit.augment import supervised
from labkit.data.batches import Batches
from labkit.errors import LabError


def split(count=50, channels=3, height=8, width=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=generator)
    return SimpleNamespace(images=images, labels=torch.arange(count), name="train")


def same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels) and torch.equal(a.index, b.index)


def test_evaluation_serves_every_image_once_in_order_and_normalised():
    data, mean, std = split(), torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.3, 0.4])
    batches = Batches.evaluation(data, 16, mean=mean, std=std, device="cpu")
    out = list(batches.epoch(0))
    assert len(out) == len(batches) == 4 and torch.equal(torch.cat([b.index for b in out]), torch.arange(50))
    expected = (data.images / 255 - mean[:, None, None]) / std[:, None, None]
    torch.testing.assert_close(torch.cat([b.images for b in out]), expected)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("resident", [True, False])
def test_the_tail_of_an_epoch_is_the_epoch_from_there(resident, channels_last):
    batches = Batches(split(), 8, augment=supervised(8, pad=2), device="cpu", resident=resident, workers=0,
                      channels_last=channels_last)  # fmt: skip
    whole = list(batches.epoch(3))
    same(whole[4:], list(batches.epoch(3, start=4)))
    assert not torch.equal(whole[0].index, next(batches.epoch(4)).index)


@pytest.mark.parametrize("drop_last", [True, False])
def test_ranks_together_see_what_one_process_sees(drop_last):
    def make(**ranks):
        return list(Batches(split(), device="cpu", augment=supervised(8, pad=2), drop_last=drop_last, **ranks).epoch(1))

    one = make(batch_size=12)
    ranks = [make(batch_size=4, rank=r, world_size=3) for r in range(3)] if drop_last else \
            [make(batch_size=6, rank=r, world_size=2) for r in range(2)]  # fmt: skip
    for k, batch in enumerate(one):
        assert torch.equal(batch.index, torch.cat([rank[k].index for rank in ranks]))
        assert torch.equal(batch.images, torch.cat([rank[k].images for rank in ranks]))


def test_a_batch_larger_than_the_set_is_explained():
    with pytest.raises(LabError, match="larger than the split of 50"):
        Batches(split(), 64, device="cpu")
