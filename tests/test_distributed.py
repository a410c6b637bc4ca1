"""Ranks: two real gloo processes must give one process's gradient, and a lost rank must end the run."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from labkit import distributed
from labkit.losses import nt_xent

BATCH, RANKS, TEMPERATURE = 8, 2, 0.1

SETTING = f"""
import torch
from torch import nn
def setting():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 4)).double()
    return net, torch.randn(2, {BATCH}, 5, dtype=torch.float64)
"""

TWO_RANKS = (
    SETTING
    + f"""
import sys
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from labkit import distributed as d
from labkit.losses import NTXentLoss, nt_xent

def gradient(rows, loss):
    net, views = setting()
    net = DistributedDataParallel(net)
    z1, z2 = net(views[:, rows].flatten(0, 1)).chunk(2)
    value = loss(z1, z2)
    value.backward()
    return sum(d.gather_values(value.detach())) / d.world_size(), [p.grad for p in net.parameters()]

def without_remote_gradients(z1, z2):
    def everyone(z):
        parts = [torch.empty_like(z) for _ in range(d.world_size())]
        dist.all_gather(parts, z.detach())
        parts[d.rank()] = z
        return torch.cat(parts)
    return nt_xent(everyone(z1), everyone(z2), {TEMPERATURE})

device = d.setup(60)
me, ranks = d.rank(), d.world_size()
even = slice(me * {BATCH // RANKS}, (me + 1) * {BATCH // RANKS})
odd = slice(0, 3) if me == 0 else slice(3, {BATCH})
result = dict(
    device=str(device), ranks=ranks, main=d.is_main(),
    exact=gradient(even, NTXentLoss({TEMPERATURE})),
    chunked=gradient(even, NTXentLoss({TEMPERATURE}, chunk_size=3)),
    ragged=gradient(odd, NTXentLoss({TEMPERATURE})),
    wrong=gradient(even, without_remote_gradients),
    gathered=d.gather_with_grad(torch.full((2, 3), float(me))),
    counts=d.gather_values(3 + me),
    flags=[d.broadcast_value(me == 0), d.broadcast_value(me == 1)],
)
torch.save(result, f"{{sys.argv[1]}}/rank{{me}}.pt")
d.cleanup()
d.cleanup()
"""
)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each of two torchrun processes saw."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "ranks.py").write_text(TWO_RANKS)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={RANKS}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*launch, str(folder / "ranks.py"), str(folder)], env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return [SimpleNamespace(**torch.load(folder / f"rank{r}.pt")) for r in range(RANKS)]


def one_process():
    scope = {}
    exec(SETTING, scope)
    net, views = scope["setting"]()
    z1, z2 = net(views.flatten(0, 1)).chunk(2)
    loss = nt_xent(z1, z2, TEMPERATURE)
    loss.backward()
    return loss.detach(), [p.grad for p in net.parameters()]


@pytest.mark.integration
@pytest.mark.parametrize("way", ["exact", "chunked", "ragged"])
def test_two_ranks_take_the_one_process_gradient(ranks, way):
    loss, gradients = one_process()
    for rank in ranks:
        value, shared = getattr(rank, way)
        torch.testing.assert_close(value, loss, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(shared, gradients, rtol=1e-9, atol=1e-12)


@pytest.mark.integration
def test_a_gather_that_drops_remote_gradients_would_be_seen(ranks):
    """The loss is right all the same, which is why the test above compares gradients."""
    loss, gradients = one_process()
    value, wrong = ranks[0].wrong
    torch.testing.assert_close(value, loss)
    assert not torch.allclose(wrong[0], gradients[0], rtol=1e-2)


@pytest.mark.integration
def test_ranks_see_each_other(ranks):
    assert [(r.device, r.ranks, r.main) for r in ranks] == [("cpu", 2, True), ("cpu", 2, False)]
    for r in ranks:
        assert r.gathered.tolist() == [[0.0] * 3] * 2 + [[1.0] * 3] * 2
        assert r.counts == [3, 4]
        assert r.flags == [True, False], "rank 0 decides"


def test_one_process_needs_no_group():
    rows = torch.randn(3, 2, requires_grad=True)
    assert (distributed.rank(), distributed.world_size(), distributed.is_main()) == (0, 1, True)
    assert distributed.gather_with_grad(rows) is rows
    assert distributed.broadcast_value(True) and distributed.gather_values(7) == [7]
    distributed.cleanup()


def test_setup_outside_torchrun_starts_nothing(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert isinstance(distributed.setup(), torch.device) and not distributed.in_group()


@pytest.mark.integration
def test_a_missing_rank_is_told_within_the_time_limit():
    code = (
        "from labkit import distributed as d\n"
        "from labkit.run_folder import LabError\n"
        "try: d.setup(2)\n"
        "except LabError as e: print(e)\n"
    )
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0", "RANK": "0", "WORLD_SIZE": "2"}
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | address, capture_output=True, text=True, timeout=60
    )
    assert "Rank 0 of 2 cannot meet the others" in done.stdout, done.stderr
    assert time.monotonic() - start < 60
