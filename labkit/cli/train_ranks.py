"""One training on many ranks, from the command line: what scripts/train_ddp.sh starts with torchrun.

    torchrun --nproc-per-node=2 -m labkit.cli.train_ranks --model resnet_tiny --dataset shapes --epochs 1

All ranks share one run folder (LABKIT_RUN_DIR). Exit code 75: it was asked to stop and has saved.
"""

import argparse
import os
import sys
import time

import torch
import torch.distributed as dist

from labkit import augment, data, distributed, models
from labkit.attempts import begin
from labkit.config import TrainConfig
from labkit.data.batches import Batches
from labkit.errors import Interrupted, LabError
from labkit.paths import process_identity
from labkit.records import RUN_DIR_VARIABLE, RunFolder
from labkit.train import fit


def main(arguments: list[str] | None = None) -> int:
    """Train with the options on the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    given = os.environ.get(RUN_DIR_VARIABLE)
    if not given:
        print(f"Name the run's folder in {RUN_DIR_VARIABLE}, which all ranks share.", file=sys.stderr)
        return 2
    run = RunFolder(given)
    try:
        device = distributed.setup(options.timeout)
        _open(run, options)
        history = train(options, run, device)
        _tell(run, "done", val_accuracy=history.epochs[-1].get("val_accuracy"))
        return 0
    except Interrupted as saved:
        _tell(run, "interrupted", message=str(saved))
        return 75
    except LabError as error:
        print(error, file=sys.stderr)
        _tell(run, "failed", message=str(error))
        return 1
    finally:
        distributed.cleanup()


def train(options: argparse.Namespace, run: RunFolder, device: torch.device):
    """Train the model on this rank's share of the data; return the History."""
    size = {"image_size": options.image_size} if options.image_size else {}
    source = data.load(options.dataset, root=options.data_dir, **size)
    share = dict(device=device, mean=source.mean, std=source.std, rank=distributed.rank(),
                 world_size=distributed.world_size())
    side = source.train.images.shape[-1]
    train = Batches(source.train, options.batch_size, augment=augment.supervised(side), seed=options.seed,
                    **share)
    val = Batches.evaluation(source.val, 500, **share)
    torch.manual_seed(options.seed)
    model = models.build(options.model, num_classes=source.num_classes, image_size=side)
    config = TrainConfig(epochs=options.epochs, lr=options.lr, seed=options.seed)
    return fit(model, train, val=val, config=config, run=run)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="train_ranks", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="resnet_tiny")
    parser.add_argument("--dataset", default="shapes")
    parser.add_argument("--data-dir")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=64, help="of each rank")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds to wait for a lost rank")
    return parser


def _open(run: RunFolder, options: argparse.Namespace) -> None:
    """Create the run, or go on with it; rank 0 does, the others wait and belong to the same attempt."""
    number = torch.zeros(1, dtype=torch.int64)
    if distributed.is_main():
        if not run.status_file.is_file():
            run.create({"notebook": None, "kind": "ranks", "values": vars(options)}, state="running")
        number[0] = begin(run.path)
        run.write_status("running", attempt=int(number), started=round(time.time(), 3), message=None,
                         slurm_job=os.environ.get("SLURM_JOB_ID"), **process_identity())
    if distributed.in_group():
        box = [int(number)]
        dist.broadcast_object_list(box, src=0)
        os.environ["LABKIT_ATTEMPT"] = f"{box[0]}:{run.path.resolve()}"


def _tell(run: RunFolder, state: str, *, val_accuracy: float | None = None,
          message: str | None = None) -> None:
    """Write how it ended; rank 0 does, or any rank before there is a group."""
    if distributed.is_main() and run.status_file.is_file():
        if val_accuracy is not None:
            run.summarize(main="val_accuracy", val_accuracy=val_accuracy)
        run.write_status(state, message=message, ended=round(time.time(), 3))


if __name__ == "__main__":
    sys.exit(main())
