"""copy.copy: the outer dict is new, the tensors are the same."""
import copy
import random
import numpy
import torch
from parts import train_step, evaluate, fit, train_probe, load_state


def save_state(model, optimizer, scheduler, step):
    return copy.copy({
        "model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(),
        "step": step, "torch": torch.get_rng_state(), "random": random.getstate(),
        "numpy": numpy.random.get_state(),
    })
