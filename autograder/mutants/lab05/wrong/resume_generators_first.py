"""Restores the generators, then draws from them."""
import random
import numpy
import torch
from parts import train_step, evaluate, fit, train_probe, save_state


def load_state(state, model, optimizer, scheduler):
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    torch.set_rng_state(state["torch"])
    random.setstate(state["random"])
    numpy.random.set_state(state["numpy"])
    torch.rand(1)
    return state["step"]
