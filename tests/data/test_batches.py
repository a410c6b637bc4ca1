"""Batches: whole epochs, shards, exact resume, and the same bits from memory and from workers."""

import logging
from types import SimpleNamespace

import pytest
import torch

from labkit.data import resident
from labkit.data.batches import Batches, pick_device
from labkit.run_folder import LabError
from labkit.transforms import simclr_view, supervised


class Lazy:
    """Images that are only ever read by slice or index, as from a file; counts its reads."""

    dtype = torch.uint8

    def __init__(self, images):
        self.images, self.shape, self.reads = images, tuple(images.shape), 0

    def __getitem__(self, rows):
        self.reads += 1
        return self.images[rows]


def split(count=50, channels=3, height=8, width=8):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, channels, height, width), generator=generator).to(torch.uint8)
    return SimpleNamespace(images=images, labels=torch.arange(count) % 7, name="train")


def lazy_split(**shape):
    data = split(**shape)
    return SimpleNamespace(images=Lazy(data.images), labels=data.labels, name="train")


def make(data=None, batch_size=8, **options):
    return Batches(data or split(), batch_size, device="cpu", **({"augment": supervised(8, pad=2)} | options))


def same(one, other):
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a.labels, b.labels) and torch.equal(a.index, b.index)
        views = [batch.images if isinstance(batch.images, tuple) else (batch.images,) for batch in (a, b)]
        assert all(torch.equal(x, y) for x, y in zip(*views, strict=True))


# --- what an epoch holds ---


def test_evaluation_serves_every_image_once_in_order_and_normalized():
    data, mean, std = split(), torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.3, 0.4])
    batches = Batches.evaluation(data, 16, mean=mean, std=std, device="cpu")
    out = list(batches.epoch(0))
    assert len(out) == len(batches) == 4 and torch.equal(torch.cat([b.index for b in out]), torch.arange(50))
    expected = (data.images / 255 - mean[:, None, None]) / std[:, None, None]
    torch.testing.assert_close(torch.cat([b.images for b in out]), expected)
    assert torch.equal(torch.cat([b.labels for b in out]), data.labels)


def test_training_shuffles_keeps_shapes_static_and_shows_no_image_twice():
    batches = make(batch_size=12)
    for epoch in range(3):
        out = list(batches.epoch(epoch))
        assert {b.images.shape for b in out} == {(12, 3, 8, 8)} and len(out) == len(batches) == 4
        index = torch.cat([b.index for b in out])
        assert len(index.unique()) == 48 and not torch.equal(index, index.sort().values)
        assert torch.equal(torch.cat([b.labels for b in out]), split().labels[index])
    assert not torch.equal(batches.permutation(0), batches.permutation(1))
    assert not torch.equal(batches.permutation(0), make(seed=1).permutation(0))


def test_every_image_of_a_batch_is_augmented_differently():
    data = split()
    data.images = data.images[:1].expand(50, -1, -1, -1).contiguous()
    (batch, *_) = make(data, 50).epoch(0)
    assert len({image.numpy().tobytes() for image in batch.images}) > 25


def test_seed_epoch_batch_and_view_each_draw_anew():
    batches = make(views=2)
    drawn = [*batches.augmentation_params(0, 0), *batches.augmentation_params(0, 1), *batches.augmentation_params(1, 0)]
    drawn += make(seed=1, views=2).augmentation_params(0, 0)
    assert len({one.numpy().tobytes() for one in drawn}) == 8
    assert torch.equal(make(views=2).augmentation_params(1, 0)[1], drawn[5])


def test_two_views_are_two_augmentations_of_the_same_images():
    (batch, *_) = make(views=2, augment=simclr_view(8)).epoch(0)
    one, two = batch.images
    assert one.shape == two.shape == (8, 3, 8, 8) and not torch.equal(one, two)
    still = make(views=2, augment=simclr_view(8, strength=0, gray=0, flip=0, area=(1, 1), aspect=(1, 1)))
    (batch, *_) = still.epoch(0)
    torch.testing.assert_close(batch.images[1], split().images[batch.index] / 255, atol=1e-5, rtol=0)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("augment", [None, supervised(8, pad=2), simclr_view(8)])
def test_memory_order_is_a_choice_that_changes_no_number(augment, channels_last):
    (batch, *_) = make(augment=augment).epoch(0)
    (other, *_) = make(augment=augment, channels_last=channels_last).epoch(0)
    order = torch.channels_last if channels_last else torch.contiguous_format
    assert batch.images.is_contiguous() and other.images.is_contiguous(memory_format=order)
    torch.testing.assert_close(batch.images, other.images, atol=1e-6, rtol=0)


def test_a_loop_over_the_batches_is_an_epoch_and_the_next_loop_the_next_one():
    batches = make()
    same(list(batches), list(make().epoch(0)))
    same(list(batches), list(make().epoch(1)))
    evaluation = Batches.evaluation(split(), 16, device="cpu")
    for _ in range(2):
        assert torch.equal(torch.cat([batch.index for batch in evaluation]), torch.arange(50))


# --- resume and shards ---


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("augment", [supervised(8, pad=2), simclr_view(8, blur=True)])
@pytest.mark.parametrize("memory", [True, False])
def test_the_tail_of_an_epoch_is_the_epoch_from_there(memory, augment, channels_last):
    batches = make(augment=augment, resident=memory, workers=0, channels_last=channels_last, views=2)
    whole = list(batches.epoch(3))
    same(whole[4:], list(batches.epoch(3, start=4)))
    assert list(batches.epoch(3, start=len(batches))) == []


@pytest.mark.parametrize("augment", [None, supervised(8, pad=2), supervised(8, jitter=0.4), simclr_view(8)])
def test_workers_and_memory_give_the_same_bits(augment):
    streamed = make(lazy_split(), augment=augment, resident=False, workers=1)
    for epoch in (0, 1):
        same(list(make(augment=augment).epoch(epoch)), list(streamed.epoch(epoch)))
    assert streamed.stream is not None


def test_workers_resume_and_survive_an_abandoned_epoch():
    batches = make(lazy_split(), resident=False, workers=1)
    whole = list(batches.epoch(2))
    next(batches.epoch(0))
    same(whole[3:], list(batches.epoch(2, start=3)))


@pytest.mark.parametrize("memory", [True, False])
def test_no_batch_touches_the_global_generator(memory):
    batches, before = make(resident=memory, workers=0), torch.get_rng_state()
    list(batches.epoch(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_streamed_set_serves_one_epoch_at_a_time():
    batches = make(resident=False, workers=0)
    first = batches.epoch(0)
    next(first), next(batches.epoch(1))
    with pytest.raises(LabError, match="one epoch at a time"):
        next(first)


@pytest.mark.parametrize(("ranks", "size", "drop_last"), [(3, 4, True), (2, 6, False), (5, 4, False)])
def test_ranks_together_see_what_one_process_sees(ranks, size, drop_last):
    def epoch(size, **shard):
        return list(make(batch_size=size, drop_last=drop_last, **shard).epoch(1))

    one, parts = epoch(size * ranks), [epoch(size, rank=r, world_size=ranks) for r in range(ranks)]
    for k, batch in enumerate(one):
        assert torch.equal(batch.index, torch.cat([part[k].index for part in parts]))
        assert torch.equal(batch.images, torch.cat([part[k].images for part in parts]))


@pytest.mark.parametrize("ranks", [1, 2, 4, 7])
def test_ranks_evaluate_every_image_once(ranks):
    shards = [Batches.evaluation(split(), 8, device="cpu", rank=r, world_size=ranks) for r in range(ranks)]
    index = torch.cat([batch.index for shard in shards for batch in shard.epoch(0)])
    assert torch.equal(index.sort().values, torch.arange(50))


# --- where the set lies ---


def test_a_set_that_does_not_fit_is_streamed_and_said_so(monkeypatch, caplog):
    monkeypatch.setattr(resident, "free_bytes", lambda device: 20_000)
    with caplog.at_level(logging.INFO, logger="labkit"):
        big, small = make(workers=0), make(split(count=10), batch_size=5)
    assert big.stream is not None and small.stream is None
    assert ["streamed by workers" in r.message for r in caplog.records] == [True, False]


def test_asking_for_memory_that_is_not_there_warns_and_streams(monkeypatch, caplog):
    monkeypatch.setattr(resident, "free_bytes", lambda device: 1000)
    assert make(resident=True, workers=0).stream is not None
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_flipped_copies_are_stored_only_where_there_is_room(monkeypatch):
    need = supervised(8, pad=2).prepared_bytes((50, 3, 8, 8), 1, mirrored=True)
    made = []
    for free in (4 * need, 4 * need - 1):
        monkeypatch.setattr(resident, "free_bytes", lambda device, free=free: free)
        made.append(make())
    assert [bool(batches.prepared.mirror) for batches in made] == [True, False]
    same(*(list(batches.epoch(0)) for batches in made))


def test_a_small_lazy_set_is_read_once_a_large_one_never_as_a_whole(monkeypatch):
    data = lazy_split()
    batches = make(data)
    reads = data.images.reads
    list(batches.epoch(0))
    assert data.images.reads == reads and batches.stream is None
    monkeypatch.setattr(resident, "LAZY_LIMIT_BYTES", 100)
    assert make(lazy_split(), workers=0).stream is not None


def test_plain_images_on_the_cpu_are_not_copied():
    data = split()
    assert Batches.evaluation(data, 8, device="cpu").prepared is data.images


def test_a_jobs_memory_limit_counts(tmp_path):
    files = {"memory.max": "5000", "memory.current": "4200", "memory.stat": "inactive_file 200\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert resident._group_free(tmp_path) == 1000
    (tmp_path / "memory.max").write_text("max\n")
    assert resident._group_free(tmp_path) > 2**60


# --- unusual and bad input ---


def test_a_job_whose_gpus_cannot_be_used_does_not_run_on_the_cpu_in_silence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("SLURM_JOB_GPUS", "0")
    with pytest.raises(LabError, match=r"The job has GPUs \(0\) that torch cannot use, since .*--gpus 0"):
        pick_device()
    assert pick_device("cpu").type == "cpu"
    monkeypatch.setenv("SLURM_JOB_GPUS", "")
    assert pick_device().type == "cpu"


def test_unlabeled_one_channel_non_square_and_float_images_work():
    data = SimpleNamespace(images=torch.rand(20, 1, 6, 10), labels=None)
    (batch, *_) = Batches(data, 5, device="cpu", shuffle=False, mean=[0.5], std=[0.5]).epoch(0)
    assert batch.labels is None
    torch.testing.assert_close(batch.images, (data.images[:5] - 0.5) / 0.5)
    (batch, *_) = make(data, 5, augment=supervised((6, 12), pad=1)).epoch(0)
    assert batch.images.shape == (5, 1, 6, 12)


def broken(**changes):
    data = split()
    for name, value in changes.items():
        setattr(data, name, value)
    return data


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: make(batch_size=64), "larger than the split of 50"),
        (lambda: make(batch_size=30, world_size=2), "at most 25"),
        (lambda: make(batch_size=7, world_size=7, drop_last=False), "use drop_last=True"),
        (lambda: make(batch_size=0), "^batch_size is 0; give a whole number, at least 1.$"),
        (lambda: make(rank=2, world_size=2), "rank is 2; give 0 to 1"),
        (lambda: make(augment=supervised(20, pad=2)), "does not fit"),
        (lambda: make(mean=[0.5, 0.5]), "2 values for 3 channels"),
        (lambda: make(mean=[0.5], std=[0.0]), "positive std"),
        (lambda: make(broken(images=torch.zeros(50, 3, 8, 8).int())), "uint8"),
        (lambda: make(broken(images=255 * torch.rand(50, 3, 8, 8))), "scale them"),
        (lambda: make(broken(images=torch.zeros(50, 8, 8).byte())), r"\(N, C, H, W\)"),
        (lambda: make(broken(images=torch.zeros(0, 3, 8, 8).byte(), labels=None)), "no images"),
        (lambda: make(broken(labels=torch.arange(49))), "49 labels"),
        (lambda: make(workers=-1), "^workers is -1; give a whole number, at least 0, or leave it out"),
        (lambda: make(broken(images=torch.full((50, 3, 8, 8), torch.nan))), "these hold NaN: mend or drop"),
        (lambda: Batches(split(), 8, device="cuda:77"), "^There is no cuda:77 here; use one of: cpu"),
        (lambda: Batches(split(), 8, device="gpu"), "^'gpu' is no device; use one of: cpu"),
    ],
)
def test_mistakes_are_explained(call, words):
    with pytest.raises(LabError, match=words):
        call()
