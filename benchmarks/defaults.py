"""Does a default cost accuracy? The same trainings with and without each default, over several seeds."""

import statistics
import tempfile
from pathlib import Path

from benchmarks.compare import Section
from labkit import data, evaluate, models, transforms
from labkit.data.batches import Batches
from labkit.evaluate.intervals import mean_interval
from labkit.run_folder import RunFolder
from labkit.seeding import seed_everything
from labkit.train import TrainConfig, fit


def accuracy_of_defaults(seeds: int, quick: bool) -> Section:
    """Train resnet_tiny on rendered shapes; differences to the default are paired by seed."""
    ways = {
        "labkit's default": {},
        "fp32": {"precision": "fp32"},
        "bf16": {"precision": "bf16"},
        "channels first": {"channels_last": False},
        "augmentation per sample (exact)": {"exact": True},
    }
    if quick:
        seeds, ways = 2, dict(list(ways.items())[:2])
    found = {name: [_accuracy(seed, quick=quick, **way) for seed in range(seeds)] for name, way in ways.items()}
    rows = []
    for name, values in found.items():
        gaps = [a - b for a, b in zip(values, found["labkit's default"], strict=True)]
        half = mean_interval(gaps).half_width
        rows.append(
            {
                "": name,
                "test accuracy (%)": round(statistics.mean(values), 2),
                "std over seeds": round(statistics.stdev(values), 2),
                "difference to default": round(statistics.mean(gaps), 2),
                "95 % interval": f"{statistics.mean(gaps) - half:+.2f} to {statistics.mean(gaps) + half:+.2f}",
            }
        )
    return Section(
        "defaults",
        "Accuracy with and without each default",
        rows,
        [
            f"resnet_tiny on shapes (difficulty 0.3), {seeds} seeds, the last weights on 2,000 test images; "
            "differences are paired by seed, the interval is Student's."
        ],
    )


def _accuracy(seed: int, *, quick: bool, exact: bool = False, **settings) -> float:
    shapes = data.load("shapes", n_train=600 if quick else 3000, difficulty=0.3, seed=seed)
    seed_everything(seed)
    model = models.build("resnet_tiny", num_classes=shapes.num_classes)
    normal = {"mean": shapes.mean, "std": shapes.std}
    train = Batches(shapes.train, 64, augment=transforms.supervised(32, exact=exact), seed=seed, **normal)
    config = TrainConfig(epochs=1 if quick else 4, lr=2e-3, seed=seed, **settings)
    with tempfile.TemporaryDirectory() as folder:
        fit(model, train, config=config, run=RunFolder(Path(folder) / "run").create({"notebook": None}), progress=False)
    return 100 * float(evaluate.evaluate(model, Batches.evaluation(shapes.test, 500, **normal)).accuracy)
