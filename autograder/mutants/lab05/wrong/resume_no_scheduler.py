"""The schedule starts anew."""
import random
import numpy
import torch
from parts import train_step, evaluate, fit, train_probe, save_state


def load_state(state, model, optimizer, scheduler):
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    scheduler.last_epoch = 0
    for group, base in zip(optimizer.param_groups, scheduler.base_lrs):
        group["lr"] = base
    torch.set_rng_state(state["torch"])
    random.setstate(state["random"])
    numpy.random.set_state(state["numpy"])
    return state["step"]
