"""One training on many ranks, from the command line: what scripts/train_ddp.sh starts with torchrun.

    torchrun --nproc-per-node=2 -m labkit.scaling.train_ranks --model resnet_tiny --dataset shapes --epochs 1
    torchrun --nproc-per-node=2 -m labkit.scaling.train_ranks --mode simclr_scratch

The second is a mode of the SimCLR lab, as in notebooks/mode.ipynb, with every batch shared among the ranks:
NT-Xent compares with the images of all of them, gradients included. Rank 0 evaluates the encoder. All ranks
share one run folder (LABKIT_RUN_DIR). Exit code 75: stopped on request, and saved.
"""

import argparse
import os
import sys
import time

import torch

from labkit import data, distributed, models, simclr, transforms
from labkit.data.batches import Batches
from labkit.run_folder import RUN_DIR_VARIABLE, Interrupted, LabError, RunFolder, process_identity
from labkit.run_folder.attempts import begin, join
from labkit.train import TrainConfig, fit


def main(arguments: list[str] | None = None) -> int:
    """Train with the options on the command line; return the exit code."""
    options = _options(arguments)
    given = os.environ.get(RUN_DIR_VARIABLE)
    if not given:
        print(f"Name the run's folder in {RUN_DIR_VARIABLE}, which all ranks share.", file=sys.stderr)
        return 2
    run = RunFolder(given)
    try:
        device = distributed.setup(options.timeout)
        _open(run, options)
        results = train_mode(options, run) if options.mode else train(options, run, device)
        if distributed.is_main():
            run.summarize(**results)
        _finish(run, "done")
        return 0
    except Interrupted as saved:
        _finish(run, "interrupted", message=str(saved))
        return 75
    except LabError as error:
        print(error, file=sys.stderr)
        _finish(run, "failed", message=str(error))
        return 1
    finally:
        distributed.cleanup()


def train(options: argparse.Namespace, run: RunFolder, device: torch.device) -> dict:
    """Train the model on this rank's share of the data; return the results."""
    size = {"image_size": options.image_size} if options.image_size else {}
    source = data.load(options.dataset, root=options.data_dir, **size)
    share = dict(
        device=device, mean=source.mean, std=source.std, rank=distributed.rank(), world_size=distributed.world_size()
    )
    side = source.train.images.shape[-1]
    usual = transforms.supervised(side, flip=source.hflip_ok)
    train = Batches(source.train, options.batch_size, augment=usual, seed=options.seed, **share)
    val = Batches.evaluation(source.val, 500, **share)
    torch.manual_seed(options.seed)
    model = models.build(
        options.model or "resnet_tiny", num_classes=source.num_classes, image_size=side, channels=source.channels
    )
    config = TrainConfig(epochs=options.epochs, lr=options.lr, seed=options.seed)
    history = fit(model, train, val=val, config=config, run=run)
    return {"main": "val_accuracy", "val_accuracy": history.epochs[-1]["val_accuracy"]}


def train_mode(options: argparse.Namespace, run: RunFolder) -> dict:
    """Run one mode of the SimCLR lab; return the results, whole on rank 0."""
    simclr.get(options.mode)  # a wrong name is refused before the data are loaded
    settings = simclr.settings(options.preset, model=options.model, max_steps=options.max_steps)
    sets = simclr.sources(
        options.dataset,
        root=options.data_dir,
        pretrain_dataset=options.pretrain_dataset,
        pretrain_dir=options.pretrain_dir,
        settings=settings,
        seed=options.seed,
    )
    return simclr.run_mode(options.mode, *sets, settings=settings, seed=options.seed, run=run).results


PLAIN = {"image_size": None, "epochs": 2, "batch_size": 64, "lr": 2e-3}  # of one supervised training
LAB = {"preset": "tiny", "pretrain_dataset": "", "pretrain_dir": None, "max_steps": 0}  # of a mode


def _options(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options given. Ends with code 2 where one would have no effect."""
    parser = argparse.ArgumentParser(prog="train_ranks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", help="resnet_tiny, or the preset's own with --mode")
    parser.add_argument("--dataset", default="shapes")
    parser.add_argument("--data-dir")
    lab = parser.add_argument_group("a mode of the SimCLR lab, instead of one supervised training")
    lab.add_argument("--mode", help="such as simclr_scratch: see labkit modes")
    lab.add_argument("--preset", help="tiny (default), full or dinov3")
    lab.add_argument("--pretrain-dataset", help="another data set for the pretraining")
    lab.add_argument("--pretrain-dir")
    lab.add_argument("--max-steps", type=int, help="of the preset otherwise")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--epochs", type=int, help=f"{PLAIN['epochs']}")
    parser.add_argument("--batch-size", type=int, help=f"of each rank ({PLAIN['batch_size']})")
    parser.add_argument("--lr", type=float, help=f"{PLAIN['lr']}")
    parser.add_argument("--seed", type=int, default=0)
    waiting = "seconds that ranks wait for one another (120; for a mode, whose first rank evaluates alone, 1800)"
    parser.add_argument("--timeout", type=float, help=waiting)
    options = parser.parse_args(arguments)
    ignored, own = (PLAIN, LAB) if options.mode else (LAB, PLAIN)
    for name in ignored:
        if getattr(options, name) is not None:
            kind = "a mode's budget is its preset's" if options.mode else "it belongs to a mode: add --mode"
            parser.error(f"--{name.replace('_', '-')} has no effect here; {kind}.")
    for name, value in {"timeout": 1800.0 if options.mode else 120.0, **own}.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def _open(run: RunFolder, options: argparse.Namespace) -> None:
    """Create the run, or go on with it; rank 0 does, the others wait and belong to the same attempt."""
    number = None
    if distributed.is_main():
        if not run.status_file.is_file():
            run.create({"notebook": None, "kind": "ranks", "values": vars(options)}, state="running")
        number, job = begin(run.path), os.environ.get("SLURM_JOB_ID")
        known = {"attempt": number, "started": round(time.time(), 3), "message": None, "slurm_job": job}
        run.write_status("running", **known, **process_identity())
    join(run.path, distributed.broadcast_value(number))


def _finish(run: RunFolder, state: str, *, message: str | None = None) -> None:
    """Write the final state; rank 0 does, or any rank before there is a group."""
    if distributed.is_main() and run.status_file.is_file():
        run.write_status(state, message=message, ended=round(time.time(), 3))


if __name__ == "__main__":
    sys.exit(main())
