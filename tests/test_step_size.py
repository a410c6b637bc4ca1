"""What a person reads to follow one training step: few functions of labkit, in few files."""

import sys
from pathlib import Path

import pytest
import torch

import labkit
from labkit import models, simclr, transforms
from labkit.data import Batches
from labkit.data.splits import Split
from labkit.run_folder import RunFolder
from labkit.train import TrainConfig, contrastive, fit, supervised
from labkit.train.step import Learner

ROOT = Path(labkit.__file__).parent
TORCHS = str(ROOT / "dynamo.py")  # torch calls it, no one who reads the step passes it
STEP = 4  # measured from one update to the next, none of them the first, none of them logged
TRAINING = ("train", "losses.py", "distributed.py", "seeding.py", "run_folder")  # the rooms of the training side


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Return a function that trains for a few steps and returns the (file, function) that one of them passes."""

    def measure(step, views):
        seen, done, update = set(), [], Learner.update

        def watch(frame, event, argument):
            code = frame.f_code
            if event == "call" and code.co_filename.startswith(str(ROOT)) and code.co_filename != TORCHS:
                seen.add((str(Path(code.co_filename).relative_to(ROOT)), code.co_qualname))

        def counted(self, *arguments, **options):
            done.append(None)
            sys.setprofile(watch if len(done) == STEP else None)
            return update(self, *arguments, **options)

        monkeypatch.setattr(Learner, "update", counted)
        torch.manual_seed(0)
        split = Split(torch.randint(0, 256, (64, 3, 16, 16), dtype=torch.uint8), torch.arange(64) % 4)
        augment = transforms.supervised(16) if views == 1 else simclr.settings("tiny").view(16)
        batches = Batches(split, 8, augment=augment, views=views, mean=[0.5] * 3, std=[0.2] * 3, device="cpu")
        encoder = models.build("resnet_tiny", num_classes=4 if views == 1 else None)
        model = encoder if views == 1 else models.SimCLRModel(encoder, projection_dim=8, hidden_dim=8)
        run = RunFolder(tmp_path / step.__name__).create({})
        try:
            fit(model, batches, config=TrainConfig(max_steps=8), step=step, run=run, progress=False)
        finally:
            sys.setprofile(None)
        return seen

    return measure


def listed(seen):
    return "\n".join(f"{file}: {function}" for file, function in sorted(seen))


@pytest.mark.parametrize(
    ("step", "views", "functions", "files", "own"),
    [(supervised, 1, 28, 10, 15), (contrastive, 2, 49, 14, 25)],
    ids=["supervised", "contrastive"],
)
def test_a_step_passes_few_functions_in_few_files(calls, step, views, functions, files, own):
    """functions, files: of all labkit; own: functions of the training side alone."""
    seen = calls(step, views)
    training = {place for place in seen if place[0].startswith(TRAINING)}
    assert len(training) <= own, listed(training)
    assert len(seen) <= functions and len({file for file, _ in seen}) <= files, listed(seen)
