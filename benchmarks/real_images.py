"""README's result on real images: train on a subset of a class-per-folder set, test once.

python -m benchmarks.real_images --data PATH --model resnet18 --images 5000 --epochs 3 --seed 0
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import torch

from labkit import augment, data, models
from labkit.config import TrainConfig
from labkit.data.batches import Batches
from labkit.evaluate import evaluate
from labkit.records import RunFolder
from labkit.seeding import seed_everything
from labkit.train import fit


def measure(options: argparse.Namespace) -> dict:
    """Return test accuracy of the last weights with its conditions; nothing is chosen on the test split."""
    dataset = data.load("folder", root=options.data, limit=round(options.images / 0.9), seed=options.seed)
    seed_everything(options.seed)
    normal = {"mean": dataset.mean, "std": dataset.std}
    view = augment.supervised(dataset.image_size)
    train = Batches(dataset.train, options.batch_size, augment=view, seed=options.seed, **normal)
    config = TrainConfig(
        epochs=options.epochs, batch_size=options.batch_size, lr=options.lr, seed=options.seed
    )
    model = models.build(options.model, num_classes=dataset.num_classes, image_size=dataset.image_size)
    run = RunFolder(Path(options.runs) / f"real-{options.model}-{options.seed}-{time.time_ns()}")
    run.create({"notebook": None, "kind": "real images"}, state="running")
    history = fit(model, train, config=config, run=run, val=Batches.evaluation(dataset.val, 256, **normal))
    test = evaluate(model, Batches.evaluation(dataset.test, 256, **normal))
    run.summarize(main="test_accuracy", test_accuracy=test.accuracy, macro_f1=test.f1)
    run.write_status("done")
    return {
        "model": options.model,
        "images": len(dataset.train),
        "epochs": options.epochs,
        "seed": options.seed,
        "test_images": len(test.labels),
        "test_accuracy": round(float(test.accuracy), 4),
        "macro_f1": round(float(test.f1), 4),
        "training_s": round(history.seconds, 1),
        "images_per_s": round(history.images_per_second, 1),
        "precision": history.precision,
        "threads": torch.get_num_threads(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_images", description=__doc__)
    parser.add_argument("--data", required=True, help="folder with train/CLASS/*.jpg and test/CLASS/*.jpg")
    parser.add_argument("--model", default="resnet18")
    parser.add_argument(
        "--images", type=int, default=5000, help="training images, the same number of each class"
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", default="runs", help="where the run's record goes")
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
