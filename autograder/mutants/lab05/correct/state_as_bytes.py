"""The snapshot is a block of bytes, written by torch.save."""
import io
import random

import numpy
import torch
from parts import train_step, evaluate, fit, train_probe


def save_state(model, optimizer, scheduler, step):
    file = io.BytesIO()
    torch.save([model.state_dict(), optimizer.state_dict(), scheduler.state_dict(), torch.random.get_rng_state(),
                random.getstate(), numpy.random.get_state()], file)
    return {"bytes": file.getvalue(), "at": step}


def load_state(state, model, optimizer, scheduler):
    parts = torch.load(io.BytesIO(state["bytes"]), weights_only=False)
    torch.random.set_rng_state(parts[3])
    random.setstate(parts[4])
    numpy.random.set_state(parts[5])
    for one, values in zip((scheduler, optimizer, model), (parts[2], parts[1], parts[0])):
        one.load_state_dict(values)
    return torch.tensor(state["at"])
