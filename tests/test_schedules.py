"""Schedules against torch.optim.lr_scheduler, step by step."""

import warnings

import pytest
import torch
from torch.optim import lr_scheduler as oracle

from labkit.run_folder import LabError
from labkit.train import schedules

STEPS = 37


def follow(make, steps=STEPS):
    """The learning rates that torch's own scheduler gives for a base rate of 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = make(optimizer)
        rates = []
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("name", "options", "make"),
    [
        ("constant", {}, lambda o: oracle.ConstantLR(o, factor=1.0)),
        ("step", {"step_size": 10, "gamma": 0.5}, lambda o: oracle.StepLR(o, 10, gamma=0.5)),
        ("step", {}, lambda o: oracle.StepLR(o, 13)),
        ("multistep", {"milestones": [5, 30], "gamma": 0.2}, lambda o: oracle.MultiStepLR(o, [5, 30], gamma=0.2)),
        ("multistep", {}, lambda o: oracle.MultiStepLR(o, [18, 28])),
        ("cosine", {"min_factor": 0.05}, lambda o: oracle.CosineAnnealingLR(o, STEPS, eta_min=0.05)),
        ("linear", {"min_factor": 0.1}, lambda o: oracle.LinearLR(o, 1.0, 0.1, total_iters=STEPS)),
        ("one_cycle", {}, lambda o: oracle.OneCycleLR(o, 1.0, STEPS, final_div_factor=1e12, cycle_momentum=False)),
    ],
)
def test_follows_torch(name, options, make):
    multiplier = schedules.build(name, total_steps=STEPS, **options)
    assert [multiplier(s) for s in range(STEPS)] == pytest.approx(follow(make), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("constant", lambda o: oracle.ConstantLR(o, factor=1.0)),
        ("cosine", lambda o: oracle.CosineAnnealingLR(o, STEPS - 8)),
        ("linear", lambda o: oracle.LinearLR(o, 1.0, 0.0, total_iters=STEPS - 8)),
        ("step", lambda o: oracle.StepLR(o, 10)),
        ("multistep", lambda o: oracle.MultiStepLR(o, [14, 22])),
    ],
)
def test_warm_up_comes_before_any_schedule(name, after):
    def sequence(optimizer):
        climb = oracle.LinearLR(optimizer, 1 / 8, 1.0, total_iters=7)
        return oracle.SequentialLR(optimizer, [climb, after(optimizer)], milestones=[8])

    multiplier = schedules.build(name, total_steps=STEPS, warmup_steps=8)
    assert [multiplier(s) for s in range(STEPS)] == pytest.approx(follow(sequence), abs=1e-9)


def test_warm_up_of_one_cycle_is_its_own_rise():
    def torch_one_cycle(optimizer):
        return oracle.OneCycleLR(optimizer, 1.0, 40, pct_start=8 / 40, final_div_factor=1e12, cycle_momentum=False)

    multiplier = schedules.build("one_cycle", total_steps=40, warmup_steps=8)
    assert [multiplier(s) for s in range(40)] == pytest.approx(follow(torch_one_cycle, 40), abs=1e-9)
    assert max(range(40), key=multiplier) == 7


@pytest.mark.parametrize("name", schedules.REGISTRY)
@pytest.mark.parametrize("total_steps", [1, 2, 5])
@pytest.mark.parametrize("warmup_steps", [0, 1])
def test_short_runs_and_steps_past_the_end_stay_within_bounds(name, total_steps, warmup_steps):
    multiplier = schedules.build(name, total_steps=total_steps, warmup_steps=warmup_steps)
    assert all(0 <= multiplier(s) <= 1 for s in range(3 * total_steps))
    assert multiplier(2 * total_steps) == multiplier(5 * total_steps)


def test_unknown_name_and_impossible_steps_are_refused():
    with pytest.raises(LabError, match="Did you mean cosine"):
        schedules.build("cosin", total_steps=10)
    with pytest.raises(LabError, match="12 warm-up steps do not fit into 10"):
        schedules.build("cosine", total_steps=10, warmup_steps=12)
    with pytest.raises(LabError, match="Milestone"):
        schedules.build("multistep", total_steps=10, milestones=[-1])
