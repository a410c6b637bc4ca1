"""Tensors cloned one by one, optimizer and scheduler copied deeply."""
import copy
import random
import numpy
import torch
from parts import train_step, evaluate, fit, train_probe


def save_state(model, optimizer, scheduler, step):
    state = {"w:" + name: one.detach().clone() for name, one in model.state_dict().items()}
    state["rest"] = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict(), step))
    state["draws"] = torch.get_rng_state(), random.getstate(), numpy.random.get_state()
    return state


def load_state(state, model, optimizer, scheduler):
    with torch.no_grad():
        for name, one in model.state_dict().items():
            one.copy_(state["w:" + name])
    for one, values in zip((optimizer, scheduler), state["rest"]):
        one.load_state_dict(values)
    for put_back, draws in zip((torch.set_rng_state, random.setstate, numpy.random.set_state), state["draws"]):
        put_back(draws)
    return state["rest"][2]
