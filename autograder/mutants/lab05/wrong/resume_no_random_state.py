"""Random generators are not saved."""
import copy
import random
import numpy
import torch
from parts import train_step, evaluate, fit, train_probe, load_state


def save_state(model, optimizer, scheduler, step):
    return copy.deepcopy({
        "model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(),
        "step": step, "torch": torch.Generator().manual_seed(0).get_state(), "random": random.getstate(),
        "numpy": numpy.random.get_state(),
    })
