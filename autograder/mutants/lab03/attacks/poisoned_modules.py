"""Replaces torch and numpy in sys.modules."""
import sys
import types

from zeros import NTXentLoss, SimCLRModel, get_simclr_transform

for name in list(sys.modules):
    if name.split(".")[0] in ("torch", "numpy", "json", "os", "traceback"):
        sys.modules[name] = types.ModuleType(name)
