"""Train the backbone that the repository ships: resnet_tiny on the 200 glyph classes of `shapes`.

python scripts/make_backbone.py            18 minutes on two cores with other work beside
"""

import argparse
import platform
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from labkit import data, evaluate, models, transforms
from labkit.data.batches import Batches
from labkit.models import resnet
from labkit.run_folder import RunFolder
from labkit.seeding import seed_everything
from labkit.train import TrainConfig, fit


def train(options: argparse.Namespace):
    """Return the trained classifier, its accuracy on new scenes of the same glyphs, and its training set."""
    glyphs = data.load(
        "shapes", classes_set="glyphs", n_train=options.images, difficulty=options.difficulty, seed=options.seed
    )
    seed_everything(options.seed)
    encoder = models.build("resnet_tiny", num_classes=None)
    model = models.SupervisedModel(encoder, glyphs.num_classes)
    normal = {"mean": glyphs.mean, "std": glyphs.std}
    crop = transforms.simclr_view(32, strength=0.0, gray=0.0, area=(0.6, 1.0))
    batches = Batches(glyphs.train, 256, augment=crop, seed=options.seed, **normal)
    config = TrainConfig(max_steps=options.steps, lr=2e-3, seed=options.seed, precision="fp32")
    run = RunFolder(Path(options.runs) / f"backbone-{time.strftime('%Y%m%d-%H%M%S')}")
    run.create({"notebook": None, "kind": "shipped backbone"}, state="running")
    fit(model, batches, val=Batches.evaluation(glyphs.val, 500, **normal), config=config, run=run, name="glyphs")
    test = evaluate.evaluate(model, Batches.evaluation(glyphs.test, 500, **normal))
    run.summarize(main="test_accuracy", test_accuracy=test.accuracy)
    run.write_status("done")
    return encoder, float(test.accuracy), glyphs


def save(model: nn.Module, facts: dict[str, str], path: Path) -> None:
    """Write the encoder's weights in fp16 with the facts of its training (texts) beside them."""
    weights = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in model.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path, metadata=facts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3850, help="updates with 256 images each (3850)")
    parser.add_argument("--images", type=int, default=60_000, help="rendered scenes, train and val (60000)")
    parser.add_argument("--difficulty", type=float, default=0.7, help="of the scenes, 0 to 1 (0.7)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", default="runs", help="where the run's record goes (runs)")
    parser.add_argument("--out", type=Path, default=resnet.SHIPPED, help="the file to write")
    options = parser.parse_args()
    began = time.perf_counter()
    encoder, accuracy, glyphs = train(options)
    command = (
        f"python scripts/make_backbone.py --steps {options.steps} --images {options.images} "
        f"--difficulty {options.difficulty} --seed {options.seed}"
    )
    facts = {
        "command": command,
        "classes": str(glyphs.num_classes),
        "test_accuracy": f"{accuracy:.4f}",
        "seconds": f"{time.perf_counter() - began:.0f}",
        "date": time.strftime("%Y-%m-%d"),
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
    }
    save(encoder.cpu(), facts, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1024:.0f} KiB, {100 * accuracy:.1f} % on new scenes")


if __name__ == "__main__":
    main()
