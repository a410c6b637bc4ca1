"""Replaces the worker's own packing so that shapes and bytes disagree."""
import gc
import types

from zeros import NTXentLoss, SimCLRModel, get_simclr_transform

for thing in gc.get_objects():
    if isinstance(thing, types.ModuleType) and thing.__name__ == "autograder.engine.confined.wire":
        thing.tensor_bytes = lambda tensor: ({"dtype": "float32", "shape": [10**9, 10**9]}, b"1234")
