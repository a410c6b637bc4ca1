"""A state whose pickle runs code when it is read."""
import os
from zeros import train_step, evaluate, fit, train_probe, load_state


class Bomb:
    def __reduce__(self):
        return os._exit, (0,)


def save_state(model, optimizer, scheduler, step):
    return {"step": step, "bomb": Bomb()}
