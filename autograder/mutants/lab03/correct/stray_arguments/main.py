"""Parses arguments and trains at module level: the definitions still count."""
import argparse

import torch
from parts import Loss, Model

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
args = parser.parse_args()


class NTXentLoss(Loss):
    pass


class SimCLRModel(Model):
    pass


from parts import views as get_simclr_transform  # noqa: E402

model = torch.load("checkpoint.pt")
for epoch in range(10**9):
    model.train()
