"""The order of the modes on unseen pictures: random < SimCLR < supervised < shipped, seed by seed."""

import os
from itertools import pairwise

import pytest

from labkit import simclr
from labkit.run_folder import RunFolder

STEPS = 160  # half of the tiny preset's: the gaps are wide long before its end
GAPS = {"scratch": 0.0, "simclr_scratch": 0.08, "supervised_scratch": 0.08, "pretrained": 0.1}  # over the one before
SEEDS = (0, 1) if os.environ.get("LABKIT_AUDIT") == "full" else (0,)


@pytest.mark.integration
@pytest.mark.parametrize("seed", SEEDS)
def test_each_way_of_learning_is_clearly_better_than_the_one_before(seed, tmp_path):
    settings = simclr.settings("tiny", max_steps=STEPS)
    sets = simclr.sources("shapes", settings=settings, seed=seed)
    scores = {}
    for name in GAPS:
        run = RunFolder(tmp_path / name).create({"notebook": None})
        scores[name] = simclr.run_mode(name, *sets, settings=settings, seed=seed, run=run).results["accuracy"]
    for before, name in pairwise(GAPS):
        assert scores[name] > scores[before] + GAPS[name], scores
