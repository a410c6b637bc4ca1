"""Two processes train as one does on the whole batch, stop together, and resume exactly."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

SCRIPT = '''
import json, sys
from types import SimpleNamespace
import torch
from torch import nn
from labkit.train import TrainConfig
from labkit.data.batches import Batches
from labkit.distributed import cleanup, rank, setup, world_size
from labkit.run_folder import Interrupted, LabError
from labkit.run_folder import RunFolder
from labkit.train.tracking import Tracker
from labkit.train import fit

torch.set_num_threads(1)
setup(60)
ranks = dict(rank=rank(), world_size=world_size())
generator = torch.Generator().manual_seed(0)
labels = torch.randint(0, 3, (64,), generator=generator)
images = (torch.randint(0, 120, (64, 3, 8, 8), generator=generator) + 60 * labels[:, None, None, None])
split = SimpleNamespace(images=images.to(torch.uint8), labels=labels)


class Data(Batches):
    stop_flag = None

    def epoch(self, e, start=0):
        for number, batch in enumerate(super().epoch(e, start), start):
            if self.stop_flag and rank() == 0 and (e, number) == (1, 2):
                self.stop_flag.touch()
            yield batch


def poisoned(logits, labels):
    return nn.functional.cross_entropy(logits, labels) * (float("nan") if rank() == 1 else 1.0)


def train(folder, dropout=0.0, stop=False, loss=None, small=False):
    """Train in the folder and write what this rank ends with."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 3))
    model.num_classes = 3
    run, said = RunFolder(folder), ""
    data = Data(split, 16 // world_size(), device="cpu", **ranks)
    data.stop_flag = run.stop_flag if stop else None
    one = SimpleNamespace(images=split.images[:1], labels=labels[:1])
    val = Batches.evaluation(one if small else split, 20, device="cpu", **ranks)
    config = TrainConfig(epochs=2, precision="fp32", optimizer="sgd", lr=0.1, log_every=1, accumulate=2)
    try:
        fit(model, data, config=config, val=val, run=run, tracker=Tracker(run, tensorboard=False),
            progress=False, loss=loss, resume=True,
            monitor=(lambda _: {"val_accuracy": 0.5 + rank() * torch.rand(()).item()}) if small else None)
    except (Interrupted, LabError) as error:
        said = f"{type(error).__name__}: {error}"
    weights = torch.cat([v.flatten() for v in model.state_dict().values()]).tolist()
    (run.path / f"rank{rank()}.json").write_text(json.dumps({"weights": weights, "said": said}))


folder, *resumed = sys.argv[1:]
if resumed:
    train(f"{resumed[0]}/stopped", dropout=0.3)
else:
    train(f"{folder}/plain")
if world_size() > 1 and not resumed:
    train(f"{folder}/straight", dropout=0.3)
    train(f"{folder}/stopped", dropout=0.3, stop=True)
    train(f"{folder}/nan", loss=poisoned)
    train(f"{folder}/small", small=True)
cleanup()
'''
SCENES = ("plain", "straight", "stopped", "nan", "small")


def launch(folder: Path, *arguments: Path, ranks: int) -> None:
    for name in SCENES:
        (folder / name / "checkpoints").mkdir(parents=True)
    script = folder / "script.py"
    script.write_text(SCRIPT)
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    command = [sys.executable, *(torchrun if ranks > 1 else []), script, folder, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One process; two ranks; and two later ranks that resume what the first two were asked to stop."""
    one, two, later = (tmp_path_factory.mktemp(name) for name in ("one", "two", "later"))
    launch(one, ranks=1)
    launch(two, ranks=2)
    before = reports(two, "stopped")
    (two / "stopped" / "stop").unlink()
    launch(later, two, ranks=2)
    return {"one": one, "two": two, "before": before}


def reports(folder: Path, scene: str) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((folder / scene).glob("rank*.json"))]


def rows(folder: Path, scene: str) -> list[dict]:
    return [json.loads(line) for line in (folder / scene / "metrics.jsonl").read_text().splitlines()]


def test_two_ranks_train_and_record_as_one_process(folders):
    (alone,), both = reports(folders["one"], "plain"), reports(folders["two"], "plain")
    assert both[0] == both[1]
    assert both[0]["weights"] == pytest.approx(alone["weights"], abs=1e-5)
    ours, theirs = rows(folders["one"], "plain"), rows(folders["two"], "plain")
    assert [row.keys() for row in ours] == [row.keys() for row in theirs]
    for one, two in zip(ours, theirs, strict=True):
        numbers = [key for key in one if key not in ("fit", "kind")]
        assert [two[key] for key in numbers] == pytest.approx([one[key] for key in numbers], rel=1e-4)


def test_two_ranks_stop_together_and_resume_exactly(folders):
    assert all(report["said"].startswith("Interrupted: 'model'") for report in folders["before"])
    assert folders["before"][0]["weights"] != reports(folders["two"], "stopped")[0]["weights"]
    assert reports(folders["two"], "stopped") == reports(folders["two"], "straight")
    assert rows(folders["two"], "stopped") == rows(folders["two"], "straight")


def test_fewer_validation_images_than_ranks_and_a_monitor_that_differs_hang_nothing(folders):
    both = reports(folders["two"], "small")
    assert both[0] == both[1] and both[0]["said"] == ""
    epochs = [row for row in rows(folders["two"], "small") if row["kind"] == "epoch"]
    assert [row["val_accuracy"] for row in epochs] == [0.5, 0.5] and all(row["val_loss"] > 0 for row in epochs)


def test_a_bad_loss_on_one_rank_ends_all(folders):
    said = [report["said"] for report in reports(folders["two"], "nan")]
    assert len(said) == 2
    assert all(text.startswith("LabError: The loss is not finite at step") for text in said)
