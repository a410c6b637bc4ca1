"""The optimizer starts anew: Adam's moments are lost."""
import random
import numpy
import torch
from parts import train_step, evaluate, fit, train_probe, save_state


def load_state(state, model, optimizer, scheduler):
    model.load_state_dict(state["model"])
    for group, saved in zip(optimizer.param_groups, state["optimizer"]["param_groups"]):
        group["lr"] = saved["lr"]
    scheduler.load_state_dict(state["scheduler"])
    torch.set_rng_state(state["torch"])
    random.setstate(state["random"])
    numpy.random.set_state(state["numpy"])
    return state["step"]
