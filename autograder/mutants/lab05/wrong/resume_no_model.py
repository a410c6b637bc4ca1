"""The model is not loaded."""
import random
import numpy
import torch
from parts import train_step, evaluate, fit, train_probe, save_state


def load_state(state, model, optimizer, scheduler):
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    torch.set_rng_state(state["torch"])
    random.setstate(state["random"])
    numpy.random.set_state(state["numpy"])
    return state["step"]
