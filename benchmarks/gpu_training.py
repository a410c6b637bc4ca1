"""Trainings of the GPU report: time to accuracy, SimCLR on real images, the share of time for data."""

import time
from pathlib import Path

import torch

from benchmarks.steps import Case, batches_for, endless, make_update
from labkit import data, evaluate, models, profiling, transforms
from labkit.data.batches import Batches
from labkit.losses import NTXentLoss
from labkit.run_folder import RunFolder
from labkit.seeding import seed_everything
from labkit.train import TrainConfig, fit
from labkit.train.step import contrastive


def load(path: str | None, *, quick: bool):
    """Return CIFAR-10 from class folders or, in the short version, a little of the embedded shapes."""
    if path:
        return data.load("folder", root=path)
    return data.load("shapes", n_train=1000, n_test=500) if quick else None


def fresh_run(name: str) -> RunFolder:
    return RunFolder(Path("runs") / f"gpu_report-{name}-{time.time_ns()}").create({"notebook": None, "kind": name})


def time_to_accuracy(device: torch.device, path: str | None, *, quick: bool, goals=(0.90, 0.93, 0.94)) -> list[dict]:
    """Train ResNet18 with the lab's loop; return the seconds after which val accuracy met each goal."""
    dataset = load(path, quick=quick)
    if dataset is None:
        return [{"not measured": "no real images: give --data with class folders of CIFAR-10"}]
    seed_everything(0)
    name, epochs, batch = ("resnet_tiny", 1, 64) if quick else ("resnet18", 30, 512)
    options = {"device": device, "mean": dataset.mean, "std": dataset.std, "channels_last": True}
    view = transforms.supervised(dataset.image_size, cutout=8)
    train = Batches(dataset.train, batch, augment=view, **options)
    config = TrainConfig(
        epochs=epochs,
        optimizer="nesterov",
        lr=0.2,
        weight_decay=5e-4,
        schedule="one_cycle",
        label_smoothing=0.1,
        batch_size=batch,
    )
    model = models.build(name, num_classes=dataset.num_classes, image_size=dataset.image_size)
    began = time.perf_counter()
    history = fit(
        model,
        train,
        config=config,
        val=Batches.evaluation(dataset.val, 2000, **options),
        run=fresh_run("train"),
        progress=False,
    )
    whole = time.perf_counter() - began
    elapsed = torch.tensor(history.epoch_seconds).cumsum(0)
    rows = []
    for goal in goals:
        met = [i for i, row in enumerate(history.epochs) if row["val_accuracy"] >= goal]
        rows.append({"goal (val)": goal, "training s": float(elapsed[met[0]]) if met else "not reached"})
    test = evaluate.evaluate(model, Batches.evaluation(dataset.test, 2000, **options)).accuracy
    return rows + [
        {
            "model": name,
            "images": len(dataset.train),
            "epochs": epochs,
            "test": round(float(test), 4),
            "best val": round(max(history.column("val_accuracy")), 4),
            "images/s": round(history.images_per_second),
            "training s": round(history.seconds, 1),
            "with evaluation s": round(whole, 1),
        }
    ]


def simclr_on_real_images(device: torch.device, path: str | None, *, quick: bool, epochs: int = 60) -> list[dict]:
    """Pretrain ResNet18 by SimCLR on unlabelled training images; return kNN and linear accuracy on test."""
    dataset = load(path, quick=quick)
    if dataset is None:
        return [{"not measured": "no real images: give --data with class folders of CIFAR-10"}]
    seed_everything(0)
    name, epochs, batch = ("resnet_tiny", 1, 64) if quick else ("resnet18", epochs, 512)
    options = {"device": device, "mean": dataset.mean, "std": dataset.std, "channels_last": True}
    view = transforms.simclr_view(dataset.image_size, strength=0.5)
    config = TrainConfig(
        epochs=epochs,
        optimizer="nesterov",
        lr=0.06 * batch / 256,
        weight_decay=5e-4,
        schedule="cosine",
        warmup_fraction=0.1,
        batch_size=batch,
    )
    encoder = models.build(name, num_classes=None, image_size=dataset.image_size)
    model = models.SimCLRModel(encoder, projection_dim=128)
    train = Batches(dataset.train, batch, augment=view, views=2, **options)
    rows = [{"encoder": "random"} | probe(encoder.to(device).eval(), dataset, options)]
    history = fit(
        model,
        train,
        config=config,
        step=contrastive,
        loss=NTXentLoss(0.5),
        run=fresh_run("simclr"),
        best_by="-train_loss",
        progress=False,
    )
    return rows + [
        {"encoder": f"SimCLR, {epochs} epochs"}
        | probe(encoder.eval(), dataset, options)
        | {"images/s": round(history.images_per_second), "training s": round(history.seconds, 1)}
    ]


def probe(encoder, dataset, options: dict) -> dict:
    """Return kNN and linear test accuracy of frozen features."""
    parts = [
        evaluate.extract_features(encoder, Batches.evaluation(split, 2000, **options))
        for split in (dataset.train, dataset.val, dataset.test)
    ]
    (train_f, train_y), (val_f, val_y), (test_f, test_y) = parts
    knn = evaluate.knn_accuracy(train_f, train_y, test_f, test_y, k=200, temperature=0.1)
    linear = evaluate.linear_probe(train_f, train_y, val_f, val_y, test_f, test_y)
    return {"kNN (k=200, T=0.1)": round(float(knn), 4), "linear": round(float(linear.accuracy), 4)}


def share_of_time_waiting(device: torch.device, *, quick: bool) -> list[dict]:
    """Return, per model, the share of a step that goes when the same batch is used again and again."""
    cases = [
        Case("resnet18", "resnet18", 2048),
        Case("wide_resnet", "wide_resnet", 1024, num_classes=100),
        Case("simclr resnet18", "resnet18", 1024, views=2),
    ]
    rows = []
    for case in [Case("cnn", "cnn", 32)] if quick else cases:
        batches = batches_for(case, device)
        fixed = next(iter(batches.epoch(0)))
        feeds = {"with data": endless(batches), "same batch": iter(lambda fixed=fixed: fixed, None)}
        steps = {name: make_update(case, device, feed) for name, feed in feeds.items()}
        seconds = {name: [] for name in steps}
        for _ in range(3 if quick else 9):  # interleaved: clocks drift alike for both
            for name, update in steps.items():
                seconds[name].append(_seconds(update, device, count=1 if quick else 20))
        with_data, same = (sorted(seconds[n])[len(seconds[n]) // 2] for n in ("with data", "same batch"))
        rows.append(
            {
                "model": case.title,
                "batch": case.batch_size,
                "step ms": round(1e3 * with_data, 2),
                "same batch ms": round(1e3 * same, 2),
                "data share": round(1 - same / with_data, 4),
            }
        )
    return rows


def _seconds(update, device: torch.device, *, count: int) -> float:
    update()
    with profiling.Timer(device) as timer:
        for _ in range(count):
            update()
    return timer.seconds / count
