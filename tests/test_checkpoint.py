"""Checkpoints are whole or absent, hold data alone, and are refused by any model but their own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from labkit.run_folder import LabError, RunFolder
from labkit.seeding import rng_state
from labkit.train.checkpoint import (
    Checkpointer,
    all_finite,
    fingerprint,
    load,
    require_same_model,
    same_weights,
    save,
    weight_stats,
)


def keeper(run, model, **setup):
    learner = SimpleNamespace(
        model=model,
        state_dict=lambda: {"model": model.state_dict()},
        load_state_dict=lambda state: model.load_state_dict(state["model"]),
    )
    return Checkpointer(run, "fit", parts={"learner": learner}, setup=setup)


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "run").create({})


def net(width=4, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2))


def test_what_is_saved_is_loaded(tmp_path):
    state = {"w": torch.randn(3).to(torch.bfloat16), "n": 2**40, "x": 0.1, "rows": [{"a": None}]}
    state["rng"] = rng_state()
    loaded = load(save(tmp_path / "deep" / "er" / "last.pt", state))
    assert torch.equal(loaded["w"], state["w"])
    assert {k: loaded[k] for k in ("n", "x", "rows")} == {k: state[k] for k in ("n", "x", "rows")}
    assert torch.equal(loaded["rng"]["torch"], state["rng"]["torch"])


FILL_DISK = """
import resource, sys, torch
from labkit.train.checkpoint import save
from labkit.run_folder import LabError
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    save(sys.argv[1], {"weights": torch.zeros(100_000)})
except LabError as error:
    print(error)
"""


def test_a_full_disk_is_told_and_leaves_the_old_checkpoint_whole(tmp_path):
    """A process that may write 20 kB meets the same refusal by the system as one on a full disk."""
    path = save(tmp_path / "last.pt", {"step": 1})
    done = subprocess.run([sys.executable, "-c", FILL_DISK, path], capture_output=True, text=True, check=True)
    assert "Cannot write" in done.stdout and "full" in done.stdout
    assert load(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_a_read_only_folder_is_told():
    """Root may write everywhere, so the test becomes nobody for a moment."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "run"
        folder.mkdir(mode=0o555)
        os.chmod(parent, 0o755)
        before = os.geteuid()
        if before == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(LabError, match="read-only"):
                save(folder / "last.pt", {})
            with pytest.raises(LabError, match="read-only"):
                save(folder / "checkpoints" / "last.pt", {})
        finally:
            os.seteuid(before)
            folder.chmod(0o755)


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.99])
def test_a_damaged_checkpoint_is_told(tmp_path, keep):
    path = save(tmp_path / "last.pt", {"weights": torch.randn(1000)})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep) if keep < 1 else keep])
    with pytest.raises(LabError, match=r"last\.pt is damaged; delete it"):
        load(path)


class Harmful:
    def __reduce__(self):
        return (os.mkdir, (os.environ["HARM"],))


def test_a_checkpoint_that_holds_code_is_not_run(tmp_path, monkeypatch):
    monkeypatch.setenv("HARM", str(tmp_path / "harm"))
    torch.save({"model": Harmful()}, tmp_path / "last.pt")
    with pytest.raises(LabError, match="of another program; move it away"):
        load(tmp_path / "last.pt")
    assert not (tmp_path / "harm").exists()


def test_a_missing_checkpoint_is_told(tmp_path):
    with pytest.raises(LabError, match="There is no checkpoint"):
        load(tmp_path / "last.pt")


@pytest.mark.parametrize("other", [net(5), nn.Linear(3, 4), nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))])
def test_another_model_is_refused_naming_both(other):
    with pytest.raises(LabError, match=r"holds a Sequential of 34 parameters, but this model is a \w+ of "):
        require_same_model(Path("last.pt"), fingerprint(net()), fingerprint(other))
    require_same_model(Path("last.pt"), fingerprint(net(seed=0)), fingerprint(net(seed=1)))


def test_a_keeper_restores_weights_and_generators(run):
    first = keeper(run, net(), lr=0.1)
    assert first.restore() is False
    with torch.no_grad():
        first.model[0].weight.add_(1.0)
    first.save()
    drawn = torch.rand(3)
    again = keeper(run, net(), lr=0.1)
    torch.manual_seed(99)
    assert again.restore() is True
    assert torch.equal(again.model[0].weight, first.model[0].weight)
    assert torch.equal(torch.rand(3), drawn)


def test_a_keeper_refuses_other_beginnings_and_other_settings(run):
    first = keeper(run, net(seed=0), lr=0.1)
    first.save()
    with pytest.raises(LabError, match="began from other initial weights"):
        keeper(run, net(seed=1), lr=0.1).restore()
    with pytest.raises(LabError, match=r"lr was 0\.1, is 0\.2"):
        keeper(run, net(seed=0), lr=0.2).restore()


def test_other_hardwares_rounding_is_not_taken_for_another_beginning():
    weights = [torch.randn(64, 27), torch.randn(64), torch.ones(64), torch.zeros(64)]
    rounded = [w * (1 + 1e-6 * torch.randn_like(w)) for w in weights]
    assert same_weights(weight_stats(weights), weight_stats(rounded))
    assert not same_weights(weight_stats(weights), weight_stats([torch.randn(64, 27), *weights[1:]]))
    assert not same_weights(weight_stats(weights), weight_stats(weights[:3]))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_not_saved(run, bad):
    kept = keeper(run, net())
    kept.save(best_epoch=1)
    before = (kept.last.read_bytes(), kept.best.read_bytes())
    with torch.no_grad():
        kept.model[1].running_mean[2] = bad
    assert not all_finite(kept.model)
    with pytest.raises(LabError, match="infinite or NaN"):
        kept.save(best_epoch=2)
    assert (kept.last.read_bytes(), kept.best.read_bytes()) == before


def test_best_is_written_again_only_where_a_kill_came_before_it(run):
    kept = keeper(run, net())
    kept.save(best_epoch=3)
    before = kept.best.stat().st_mtime_ns
    kept.repair_best(3)
    assert kept.best.stat().st_mtime_ns == before
    kept.repair_best(4)
    assert load(kept.best)["epoch"] == 4


def test_forgetting_deletes_both(run):
    kept = keeper(run, net())
    kept.save(best_epoch=1)
    kept.forget()
    assert not kept.last.exists() and not kept.best.exists()
    kept.forget()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        OSError(5, "I/O"),
    ]
    + [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), PermissionError(13, "Permission denied")],
)
def test_advice_to_delete_is_never_given_for_a_whole_checkpoint(tmp_path, monkeypatch, error):
    path = save(tmp_path / "last.pt", {"weights": torch.randn(10)})

    def fails(*_, **__):
        raise error

    monkeypatch.setattr(torch, "load", fails)
    with pytest.raises(LabError, match=r"Cannot read the checkpoint .*last\.pt: (memory|I/O|Permission)") as told:
        load(path)
    assert "delete it" not in str(told.value)


@pytest.mark.parametrize("state", [{"model": {}, "origin": {}}, [1, 2], {"state_dict": {"w": torch.zeros(2)}}])
def test_a_file_of_another_program_is_called_so_and_not_deleted(run, state):
    mine = keeper(run, net())
    save(mine.last, state)
    with pytest.raises(LabError, match=r"last\.pt is whole, but of another program") as told:
        mine.restore()
    assert "delete it" not in str(told.value) and mine.last.exists()
