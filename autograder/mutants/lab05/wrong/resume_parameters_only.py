"""Parameters without buffers: BatchNorm forgets its statistics."""
import copy
import random
import numpy
import torch
from parts import train_step, evaluate, fit, train_probe, load_state


def save_state(model, optimizer, scheduler, step):
    return copy.deepcopy({
        "model": dict(model.named_parameters()), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(),
        "step": step, "torch": torch.get_rng_state(), "random": random.getstate(),
        "numpy": numpy.random.get_state(),
    })


def load_state(state, model, *others):
    from parts import load_state as right
    return right(state | {"model": model.state_dict() | state["model"]}, model, *others)
