"""state_dict without a copy: the snapshot follows the training."""
import random
import numpy
import torch
from parts import train_step, evaluate, fit, train_probe, load_state


def save_state(model, optimizer, scheduler, step):
    return dict({
        "model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(),
        "step": step, "torch": torch.get_rng_state(), "random": random.getstate(),
        "numpy": numpy.random.get_state(),
    })
