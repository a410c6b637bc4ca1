"""Prints and warns at every call."""
import sys
import warnings

from parts import Loss, Model, views as get_simclr_transform

print("hello from the import")


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        print("loss", z_i.shape, z_j.shape, "x" * 20000)
        print("to stderr", file=sys.stderr, flush=True)
        return super().forward(z_i, z_j)


class SimCLRModel(Model):
    def forward(self, x):
        warnings.warn("a noisy model", stacklevel=1)
        return super().forward(x)
