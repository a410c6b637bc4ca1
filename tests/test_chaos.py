"""Two ranks that are killed twenty times at random moments end with the bits of two that nobody disturbs."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

KILLS = 20
PROGRAM = '''
import json, os, random, signal, sys, tempfile, time
from datetime import timedelta
from pathlib import Path
import torch
import torch.distributed as dist
from torch import nn
from labkit import distributed
from labkit.data.batches import Batches
from labkit.data.splits import Split
from labkit.run_folder import RunFolder
from labkit.train import TrainConfig, fit
from labkit.train.tracking import Tracker

torch.set_num_threads(1)
images = torch.arange(96 * 48, dtype=torch.int64).mul(2654435761).remainder(256).to(torch.uint8).view(96, 3, 4, 4)
split = Split(images, images[:, 0, 0, 0].long() % 3)


def rank_of_two(rank, store, folder, pace_s):
    """Train as one of two ranks; a step takes a while, so that kills meet every part of it."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    group = dict(store=dist.FileStore(store, 2), rank=rank, world_size=2, timeout=timedelta(seconds=20))
    dist.init_process_group("gloo", **group)
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(6)
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 6), norm, nn.ReLU(), nn.Dropout(0.3), nn.Linear(6, 3))
    norm.register_forward_hook(lambda *_: Path(store + "-begun").touch() or time.sleep(pace_s))
    share = dict(device="cpu", rank=rank, world_size=2)
    data, val = Batches(split, 8, **share), Batches.evaluation(split, 20, **share)
    settings = dict(epochs=20, optimizer="sgd", lr=0.05, log_every=1, checkpoint_every_steps=1, precision="fp32")
    run = RunFolder(folder)
    history = fit(model, data, val=val, config=TrainConfig(**settings), run=run, resume=True, progress=False,
                  tracker=Tracker(run, tensorboard=False))
    if rank == 0:
        weights = [value.double().sum().item() for value in model.state_dict().values()]
        (run.path / "end.json").write_text(json.dumps([weights, history.epochs]))
    distributed.cleanup()


def attempt(folder, pace_s, alive_s):
    """Start both ranks; `alive_s` after their first step (None: never) kill one, then the other. Return whether both
    ended well."""
    with tempfile.TemporaryDirectory() as place:
        children = []
        for rank in range(2):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    rank_of_two(rank, place + "/store", folder, pace_s)
                    code = 0
                except Exception as error:
                    print(type(error).__name__, str(error)[:300], file=sys.stderr)
                finally:
                    os._exit(code)
            children.append(child)
        if alive_s is not None:
            while alive_s > 0.02 and not os.path.exists(place + "/store-begun"):  # else before it
                time.sleep(0.005)
            time.sleep(alive_s)
            for child in dice.sample(children, 2):
                os.kill(child, signal.SIGKILL)
        return [os.waitpid(child, 0)[1] for child in children] == [0, 0]


dice = random.Random(int(sys.argv[2]))
straight, killed = (Path(sys.argv[1], name) for name in ("straight", "killed"))
for folder in (straight, killed):
    (folder / "checkpoints").mkdir(parents=True)
assert attempt(straight, 0.0, None)
kills, reached = 0, []
while kills < int(sys.argv[3]):
    assert not (killed / "end.json").exists(), f"it ended after {kills} kills: let a step take longer"
    attempt(killed, 0.02, dice.uniform(0, 0.6))
    kills += 1
    log = killed / "metrics.jsonl"
    reached.append(len(log.read_text().splitlines()) if log.exists() else 0)
assert attempt(killed, 0.0, None)
print(json.dumps(reached))
'''


def test_twenty_kills_change_no_bit(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), "7", str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    reached = json.loads(done.stdout.splitlines()[-1])
    assert len(set(reached)) > KILLS / 4, f"the kills met the same moments again and again: {reached}"
    straight, killed = (tmp_path / name for name in ("straight", "killed"))
    assert (killed / "end.json").read_bytes() == (straight / "end.json").read_bytes()
    assert (killed / "metrics.jsonl").read_bytes() == (straight / "metrics.jsonl").read_bytes()
