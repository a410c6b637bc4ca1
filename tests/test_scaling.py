"""Scaling: the communication model against closed forms and a simulation, and ranks really started."""

import itertools
import json
import os
import random
import time
from dataclasses import replace

import pytest
import torch

from labkit import scaling
from labkit.run_folder import LabError, usable_cores
from labkit.scaling import Link, Measurement, Scaling, measure

LINK = Link(alpha_s=1e-3, beta_bytes_per_s=1e9)


def test_one_rank_sends_nothing_and_many_send_the_tensor_twice():
    assert scaling.allreduce_time(1e9, world_size=1, link=LINK) == 0
    assert scaling.allreduce_time(1e9, world_size=2, link=LINK) == pytest.approx(2e-3 + 1.0)
    assert scaling.allreduce_time(1e9, world_size=1000, link=Link(0, 1e9)) == pytest.approx(2, rel=2e-3)


def ring_in_steps(size, n, link):
    """The algorithm itself: n - 1 steps of reduce-scatter, n - 1 of all-gather, each a message of 1/n."""
    return sum(link.alpha_s + size / n / link.beta_bytes_per_s for _ in range(2 * (n - 1)))


@pytest.mark.parametrize(("size", "n"), itertools.product([4, 10**6], [2, 3, 8]))
def test_time_equals_the_sum_over_the_rings_steps(size, n):
    assert scaling.allreduce_time(size, world_size=n, link=LINK) == pytest.approx(ring_in_steps(size, n, LINK))


def test_fit_finds_the_link_again_through_noise():
    noise = random.Random(0)
    sizes = [2**k for k in range(12, 27)]
    seconds = [ring_in_steps(s, 4, LINK) * noise.uniform(0.97, 1.03) for s in sizes]
    link = scaling.fit_link(sizes, seconds, world_size=4)
    assert link.alpha_s == pytest.approx(LINK.alpha_s, rel=0.03)
    assert link.beta_bytes_per_s == pytest.approx(LINK.beta_bytes_per_s, rel=0.03)


def test_fit_is_never_negative_and_needs_two_sizes():
    assert scaling.fit_link([1e6, 2e6], [1e-3, 4e-3], world_size=2).alpha_s == 0
    assert scaling.fit_link([1e6, 2e6], [2e-3, 1e-3], world_size=2).beta_bytes_per_s == float("inf")
    for sizes, n in [([1e6], 2), ([1e6, 2e6], 1)]:
        with pytest.raises(LabError, match="at least two"):
            scaling.fit_link(sizes, [1e-3] * len(sizes), world_size=n)


@pytest.mark.parametrize("name", ["resnet18", "lenet"])
def test_buckets_are_those_of_distributed_data_parallel(name):
    from labkit import models

    params = list(models.build(name).parameters())[::-1]  # DDP plans in reverse order
    assigned, _ = torch._C._distributed_c10d._compute_bucket_assignment_by_size(params, [2**20, 25 * 2**20])
    expected = sorted(sum(4 * params[i].numel() for i in bucket) for bucket in assigned)
    assert sorted(scaling.ddp_buckets([4 * p.numel() for p in params[::-1]])) == expected


def test_a_step_is_bound_by_the_slower_of_computing_and_sending():
    parts = {"input_s": 0.1, "forward_s": 1.0, "backward_s": 2.0, "optimizer_s": 0.5}
    assert scaling.predict_step_time(**parts, buckets=[10**9], world_size=1, link=LINK) == pytest.approx(3.6)
    fast = scaling.predict_step_time(**parts, buckets=[10**3] * 4, world_size=2, link=Link(0, 1e12))
    assert fast == pytest.approx(3.6)
    slow = scaling.predict_step_time(**parts, buckets=[10**9] * 4, world_size=2, link=Link(0, 1e8), first_bucket_s=0.5)
    assert slow == pytest.approx(0.1 + 1.0 + 0.5 + 4 * 10.0 + 0.5)


def test_two_buckets_agree_with_a_simulated_timeline():
    draw = random.Random(1)
    for _ in range(50):
        backward, first = draw.uniform(1, 2), draw.uniform(0, 1)
        buckets = [draw.uniform(1, 2e9), draw.uniform(1, 2e9)]
        sent = 0.0
        for ready, size in zip((first, backward), buckets, strict=True):
            sent = max(sent, ready) + ring_in_steps(size, 3, LINK)
        predicted = scaling.predict_step_time(
            forward_s=0.3,
            backward_s=backward,
            optimizer_s=0.2,
            buckets=buckets,
            world_size=3,
            link=LINK,
            first_bucket_s=first,
        )
        assert predicted == pytest.approx(0.3 + sent + 0.2)


def row(kind, ranks, threads, batch, step_s, phases=None):
    return Measurement(kind, ranks, threads, batch, step_s, ranks * batch / step_s, 1.0, 5.0, phases or {})


@pytest.fixture
def result():
    """Two cores; strong scaling at 80 %, weak at 90 %, threads at 75 %."""
    parts = {"input_s": 0.0, "forward_s": 0.2, "backward_s": 0.29, "optimizer_s": 0.01}
    rows = [
        row("strong", 1, 1, 64, 1.0),
        row("strong", 1, 2, 64, 1 / 1.5),
        row("local", 1, 1, 32, 0.5, parts),
        row("strong", 2, 1, 32, 1.0 / 1.6),
        row("weak", 2, 1, 64, 1.0 / 0.9),
    ]
    times = {2: {s: ring_in_steps(s, 2, LINK) for s in (10**4, 10**6, 10**8)}}
    return Scaling("net", "shapes", "cpu", "fp32", 2, 1, [40_000_000, 400], rows, times)


def test_strong_and_weak_tables_keep_their_own_definitions(result):
    one, two = scaling.scaling_table(result, kind="strong")
    assert (one["speedup"], one["efficiency"]) == (1, 1)
    assert (two["speedup"], two["efficiency"], two["global_batch"]) == (pytest.approx(1.6), pytest.approx(0.8), 64)
    assert two["over_all_cores"] == pytest.approx(1.6 / 1.5)
    one, two = scaling.scaling_table(result, kind="weak")
    assert (two["speedup"], two["efficiency"], two["global_batch"]) == (pytest.approx(1.8), pytest.approx(0.9), 128)
    assert two["images_per_s"] / one["images_per_s"] == pytest.approx(two["speedup"])
    with pytest.raises(LabError, match="Did you mean strong"):
        scaling.scaling_table(result, kind="stronk")


def test_prediction_stands_beside_measurement(result):
    (two,) = scaling.prediction_table(result)
    sent = ring_in_steps(40_000_400, 2, LINK)
    assert two["predicted_ms"] == pytest.approx(1e3 * (0.5 + sent), rel=1e-3)
    assert two["measured_over_predicted"] == pytest.approx(0.625 / (0.5 + sent), rel=1e-3)
    without = replace(result, measurements=[m for m in result.measurements if m.scaling != "local"])
    with pytest.raises(LabError, match="no measurement with ranks=1, batch_size=32"):
        scaling.prediction_table(without)


def test_all_reduce_table_shows_the_fit(result):
    rows = scaling.allreduce_table(result)
    assert [r["fitted_ms"] for r in rows] == pytest.approx([r["measured_ms"] for r in rows], rel=1e-6)
    assert rows[-1]["gigabytes_per_s"] == pytest.approx(1.0, rel=0.05)


def test_world_sizes_and_batches_that_do_not_fit_are_refused_before_anything_starts():
    with pytest.raises(LabError, match="5000 ranks do not fit"):
        measure((1, 5000), batch_size=5000)
    if usable_cores() > 1:
        with pytest.raises(LabError, match="2 ranks cannot share a batch of 9"):
            measure((1, 2), batch_size=9)


@pytest.mark.integration
def test_one_and_two_real_ranks_are_measured():
    if usable_cores() < 2:
        pytest.skip("needs two cores")
    found = measure(
        (1, 2),
        batch_size=16,
        model="lenet",
        windows=3,
        steps_per_window=1,
        limit=200,
        allreduce_bytes=(4096, 2**20),
        timeout_s=240,
    )
    assert found.device == "cpu" and sum(found.parameter_bytes) == 4 * 83_126
    cases = {(m.scaling, m.ranks, m.batch_size) for m in found.measurements}
    assert cases == {("strong", 1, 16), ("local", 1, 8), ("strong", 2, 8), ("weak", 2, 16)}
    for m in found.measurements:
        assert m.images_per_second == pytest.approx(m.ranks * m.batch_size / m.step_s)
        assert m.start_up_s > m.step_s > 0
        assert not m.phases or sum(m.phases.values()) < 20 * m.step_s
    assert found.link().beta_bytes_per_s > 0
    assert len(scaling.prediction_table(found, kind="strong")) == len(scaling.allreduce_table(found)) - 1 == 1
    assert len(scaling.prediction_table(found, kind="weak")) == 1
    json.dumps(found.asdict(), allow_nan=False)


RANK = """
import os, pathlib, sys, time
rank = os.environ["RANK"]
pathlib.Path(sys.argv[1], rank).write_text(str(os.getpid()))
print(f"rank {rank} of {os.environ['WORLD_SIZE']} with {os.environ['OMP_NUM_THREADS']} threads", flush=True)
if rank == sys.argv[2]:
    raise SystemExit("my memory is full")
time.sleep(float(sys.argv[3]))
"""


def ranks_alive(folder):
    pids = [int(f.read_text()) for f in folder.glob("[0-9]")]
    assert pids, "no rank was started"
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}") and "Z" not in _state(pid)]


def _state(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


@pytest.mark.integration
def test_a_dying_rank_is_shown_with_its_last_words_and_takes_the_others_along(tmp_path):
    (tmp_path / "rank.py").write_text(RANK)
    with pytest.raises(LabError, match="Rank 1 of 2 failed") as caught:
        scaling.torchrun([str(tmp_path / "rank.py"), str(tmp_path), "1", "300"], ranks=2, threads=3, timeout_s=120)
    assert "my memory is full" in str(caught.value) and "rank 1 of 2 with 3 threads" in str(caught.value)
    assert not ranks_alive(tmp_path)


@pytest.mark.integration
def test_ranks_that_hang_are_stopped_in_time(tmp_path):
    (tmp_path / "rank.py").write_text(RANK)
    start = time.monotonic()
    with pytest.raises(LabError, match="were not done within 20 s") as caught:
        scaling.torchrun([str(tmp_path / "rank.py"), str(tmp_path), "none", "300"], ranks=2, timeout_s=20)
    assert time.monotonic() - start < 80
    assert "[rank 0] rank 0 of 2" in str(caught.value) and not ranks_alive(tmp_path)


@pytest.mark.integration
def test_a_surrounding_launcher_does_not_leak_into_the_ranks(tmp_path, monkeypatch):
    (tmp_path / "rank.py").write_text(RANK)
    for name, value in {"RANK": "7", "WORLD_SIZE": "9", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    scaling.torchrun([str(tmp_path / "rank.py"), str(tmp_path), "none", "0"], ranks=1, timeout_s=120)
    assert (tmp_path / "0").exists() and not (tmp_path / "7").exists()
