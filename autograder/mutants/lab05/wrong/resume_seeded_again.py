"""Seeds again instead of restoring: the first numbers come twice."""
import random
import numpy
import torch
from parts import train_step, evaluate, fit, train_probe, save_state


def load_state(state, model, optimizer, scheduler):
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    torch.manual_seed(state["step"])
    random.setstate(state["random"])
    numpy.random.set_state(state["numpy"])
    return state["step"]
