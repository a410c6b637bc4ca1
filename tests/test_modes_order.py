"""The order of the modes on unseen pictures: random < SimCLR < supervised < shipped, seed by seed."""

import os
from itertools import pairwise

import pytest

from labkit import evaluate, simclr
from labkit.run_folder import RunFolder
from labkit.train import fit

STEPS = 160  # half of the tiny preset's: the gaps are wide long before its end
GAPS = {"scratch": 0.0, "simclr_scratch": 0.08, "supervised_scratch": 0.08, "pretrained": 0.1}  # over the one before
SEEDS = (0, 1) if os.environ.get("LABKIT_AUDIT") == "full" else (0,)


@pytest.mark.integration
@pytest.mark.parametrize("seed", SEEDS)
def test_each_way_of_learning_is_clearly_better_than_the_one_before(seed, tmp_path):
    settings = simclr.settings("tiny", max_steps=STEPS)
    corpus, probe = simclr.sources("shapes", settings=settings, seed=seed)
    normal = {"mean": corpus.mean, "std": corpus.std}
    scores = {}
    for name in GAPS:
        plan = simclr.get(name)
        encoder = simclr.encoder(plan, settings=settings, seed=seed)
        task = simclr.pretraining(plan, encoder, corpus, settings=settings, seed=seed)
        if task is not None:
            run = RunFolder(tmp_path / name).create({"notebook": None})
            fit(task.model, task.train, config=task.config, step=task.step, loss=task.loss, run=run, progress=False)
        scores[name] = evaluate.evaluate_linear_head(encoder, probe, **normal).linear.accuracy
    names = list(GAPS)
    for before, name in pairwise(names):
        assert scores[name] > scores[before] + GAPS[name], scores
