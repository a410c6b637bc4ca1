"""README's result on real images: train on part of a class-per-folder set with several seeds, test once each.

python -m benchmarks.real_images --data PATH --models cnn:6,resnet18:3 --seeds 0,1,2 --figure curves.png
"""

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path

import torch
from scipy.stats import binomtest

from benchmarks.tables import markdown
from labkit import data, models, plots, transforms
from labkit.data.batches import Batches
from labkit.evaluate import evaluate
from labkit.evaluate.intervals import mean_interval
from labkit.run_folder import RunFolder
from labkit.seeding import seed_everything
from labkit.train import TrainConfig, fit


def train(name: str, epochs: int, seed: int, options: argparse.Namespace) -> tuple[dict, list[dict]]:
    """Return test accuracy of the last weights with its conditions, and the epochs' rows.

    Nothing is chosen on the test split.
    """
    dataset = data.load("folder", root=options.data, limit=round(options.images / 0.9), seed=seed)
    seed_everything(seed)
    normal = {"mean": dataset.mean, "std": dataset.std}
    view = transforms.supervised(dataset.image_size)
    batches = Batches(dataset.train, options.batch_size, augment=view, seed=seed, **normal)
    config = TrainConfig(epochs=epochs, batch_size=options.batch_size, lr=options.lr, seed=seed)
    model = models.build(name, num_classes=dataset.num_classes, image_size=dataset.image_size)
    run = RunFolder(Path(options.runs) / f"real-{name}-{seed}-{time.time_ns()}")
    run.create({"notebook": None, "kind": "real images"}, state="running")
    history = fit(model, batches, config=config, run=run, val=Batches.evaluation(dataset.val, 256, **normal))
    test = evaluate(model, Batches.evaluation(dataset.test, 256, **normal))
    run.summarize(main="test_accuracy", test_accuracy=test.accuracy, macro_f1=test.f1)
    run.write_status("done")
    return {
        "model": name,
        "images": len(dataset.train),
        "epochs": epochs,
        "seed": seed,
        "test_images": len(test.labels),
        "test_accuracy": round(float(test.accuracy), 4),
        "training_s": round(history.seconds, 1),
        "images_per_s": round(history.images_per_second, 1),
        "precision": history.precision,
        "threads": torch.get_num_threads(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }, history.epochs


def summary(results: list[dict]) -> list[dict]:
    """Return a row per model: its accuracy, and a 95 % interval with what it allows for, in words."""
    rows = []
    for name in dict.fromkeys(result["model"] for result in results):
        mine = [result for result in results if result["model"] == name]
        scores = [100 * result["test_accuracy"] for result in mine]
        rows.append(
            {
                "model": name,
                "epochs": mine[0]["epochs"],
                "seeds": len(mine),
                "test accuracy (%)": round(statistics.mean(scores), 1),
                "95 % interval": _interval(mine),
                "training (s)": round(statistics.median(result["training_s"] for result in mine)),
            }
        )
    return rows


def _interval(results: list[dict]) -> str:
    """Say the interval of one model: over its seeds, or for one seed over its test images."""
    scores = [result["test_accuracy"] for result in results]
    if len(scores) > 1:
        over = mean_interval(scores)
        low, high, what = over.mean - over.half_width, over.mean + over.half_width, f"{len(scores)} seeds"
    else:
        count = results[0]["test_images"]
        low, high = binomtest(round(scores[0] * count), count).proportion_ci(method="wilson")
        what = f"{count:,} test images, not of training again"
    return f"{100 * low:.1f} to {100 * high:.1f} (of {what})"


def draw(curves: dict[str, list[dict]], path: Path) -> None:
    """Draw each model's curves of its first seed, as the notebooks do."""
    fig = plots.plot_curves(curves)
    fig.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.real_images",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", required=True, help="folder with train/CLASS/*.jpg and test/CLASS/*.jpg")
    parser.add_argument("--models", default="cnn:6,resnet18:3", help="NAME:EPOCHS, by comma (cnn:6,resnet18:3)")
    parser.add_argument("--seeds", default="0,1,2", help="by comma (0,1,2)")
    parser.add_argument("--images", type=int, default=5000, help="training images, equally many of each class")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--runs", default="runs", help="where the runs' records go")
    parser.add_argument("--figure", type=Path, help="also draw the first seed's curves into this PNG file")
    options = parser.parse_args()
    results, curves = [], {}
    for seed in (int(text) for text in options.seeds.split(",")):
        for wish in options.models.split(","):
            name, _, epochs = wish.partition(":")
            result, rows = train(name, int(epochs or 3), seed, options)
            print(json.dumps(result), flush=True)
            results.append(result)
            curves.setdefault(name, rows)
    print(markdown(summary(results)))
    if options.figure:
        draw(curves, options.figure)


if __name__ == "__main__":
    main()
